import type { LineWriter } from '../../net/line-writer.ts'
import { optionalNumber } from '../arguments.ts'
import { command } from '../command.ts'
import { NUMBER_ROOM } from '../maildrop.ts'

const SPACE = 0x20

/** LIST [msg]: octets as RETR sends them, before dots are doubled. RFC 1939 §5. */
export const list = command({
  name: 'LIST',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  parse: optionalNumber,
  run({ open: { maildrop } }, number) {
    if (number !== undefined) return { ok: `${number} ${maildrop.entry(number).octets}` }
    const { messages, octets } = maildrop.total()
    const listing = {
      numbers: maildrop.numbers(),
      room: 2 * NUMBER_ROOM + 1,
      write(line: LineWriter, of: number) {
        line.number(of)
        line.byte(SPACE)
        line.number(maildrop.octets(of))
      },
    }
    return { ok: `${messages} messages (${octets} octets)`, listing }
  },
})
