import { messageNumber } from '../arguments.ts'
import { command } from '../command.ts'

/** DELE msg: a mark, in memory only; QUIT acts on it. RFC 1939 §5. */
export const dele = command({
  name: 'DELE',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  parse: messageNumber,
  run({ open: { maildrop } }, number) {
    maildrop.delete(maildrop.entry(number).number)
    return { ok: 'Marked as deleted' }
  },
})
