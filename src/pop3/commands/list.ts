import { optionalNumber } from '../arguments.ts'
import { command } from '../command.ts'
import type { Maildrop } from '../maildrop.ts'

/** LIST [msg]: octets as RETR sends them, before dots are doubled. RFC 1939 §5. */
export const list = command({
  name: 'LIST',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  parse: optionalNumber,
  run({ open: { maildrop } }, number) {
    if (number !== undefined) return { ok: `${number} ${maildrop.entry(number).octets}` }
    const { messages, octets } = maildrop.total()
    return { ok: `${messages} messages (${octets} octets)`, lines: scanListings(maildrop) }
  },
})

function* scanListings(maildrop: Maildrop): Generator<string> {
  for (const number of maildrop.numbers()) yield `${number} ${maildrop.octets(number)}`
}
