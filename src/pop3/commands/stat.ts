import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'

/** STAT: how many messages and octets, without those marked as deleted. RFC 1939 §5. */
export const stat = command({
  name: 'STAT',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  parse: noArgument,
  run({ open }) {
    const { messages, octets } = open.maildrop.total()
    return { ok: `${messages} ${octets}` }
  },
})
