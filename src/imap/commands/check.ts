import { command, noArguments } from '../command.ts'

/** CHECK: everything is durable when its command was answered, so this is NOOP. RFC 3501 §6.4.1; RFC 9051 has dropped it. */
export const check = command({
  names: ['CHECK'],
  rfc: 'RFC 3501 §6.4.1',
  states: ['selected'],
  sync: 'all',
  refresh: 'now',
  metered: true,
  parse: noArguments,
  run: () => ({ ok: 'CHECK completed' }),
})
