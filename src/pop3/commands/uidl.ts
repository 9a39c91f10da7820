import type { LineWriter } from '../../net/line-writer.ts'
import { optionalNumber } from '../arguments.ts'
import { command } from '../command.ts'
import { NUMBER_ROOM, UNIQUE_ID_ROOM } from '../maildrop.ts'

const SPACE = 0x20

/** UIDL [msg]: names that stay with a message for life. RFC 1939 §7. */
export const uidl = command({
  name: 'UIDL',
  rfc: 'RFC 1939 §7',
  states: ['transaction'],
  capability: 'UIDL',
  parse: optionalNumber,
  run({ open: { maildrop } }, number) {
    if (number !== undefined) return { ok: `${number} ${maildrop.uniqueId(maildrop.entry(number).number)}` }
    const listing = {
      numbers: maildrop.numbers(),
      room: NUMBER_ROOM + 1 + UNIQUE_ID_ROOM,
      write(line: LineWriter, of: number) {
        line.number(of)
        line.byte(SPACE)
        maildrop.writeUniqueId(line, of)
      },
    }
    return { ok: 'The unique-ids are', listing }
  },
})
