import { optionalNumber } from '../arguments.ts'
import { command } from '../command.ts'
import type { Maildrop } from '../maildrop.ts'

/** UIDL [msg]: names that stay with a message for life. RFC 1939 §7. */
export const uidl = command({
  name: 'UIDL',
  rfc: 'RFC 1939 §7',
  states: ['transaction'],
  capability: 'UIDL',
  parse: optionalNumber,
  run({ open: { maildrop } }, number) {
    if (number !== undefined) return { ok: `${number} ${maildrop.uniqueId(maildrop.entry(number).number)}` }
    return { ok: 'The unique-ids are', lines: uniqueIdListings(maildrop) }
  },
})

function* uniqueIdListings(maildrop: Maildrop): Generator<string> {
  for (const number of maildrop.numbers()) yield `${number} ${maildrop.uniqueId(number)}`
}
