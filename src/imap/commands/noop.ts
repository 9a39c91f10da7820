import { ANY_STATE, command, noArguments } from '../command.ts'

/** NOOP: anything new? RFC 9051 §6.1.2. */
export const noop = command({
  names: ['NOOP'],
  rfc: 'RFC 9051 §6.1.2',
  states: ANY_STATE,
  sync: 'all',
  refresh: 'now',
  metered: true,
  parse: noArguments,
  run: () => ({ ok: 'NOOP completed' }),
})
