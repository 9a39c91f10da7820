import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'

/** NOOP. RFC 1939 §5. */
export const noop = command({
  name: 'NOOP',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  paced: true,
  parse: noArgument,
  run: () => ({ ok: 'Nothing done' }),
})
