import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'

/** RSET: no message is marked as deleted any more. RFC 1939 §5. */
export const rset = command({
  name: 'RSET',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  parse: noArgument,
  run({ open: { maildrop } }) {
    maildrop.reset()
    const { messages, octets } = maildrop.total()
    return { ok: `Maildrop has ${messages} messages (${octets} octets)` }
  },
})
