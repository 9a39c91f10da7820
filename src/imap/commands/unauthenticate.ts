import { command, LOGGED_IN, noArguments } from '../command.ts'

/**
 * UNAUTHENTICATE: the connection is nobody's again, and another may log in. RFC 8437. deviation: it does not count again among the connections that the
 * listener lets in before a login.
 */
export const unauthenticate = command({
  names: ['UNAUTHENTICATE'],
  rfc: 'RFC 8437',
  states: LOGGED_IN,
  sync: 'none',
  capability: 'UNAUTHENTICATE',
  announce: LOGGED_IN,
  parse: noArguments,
  async run(s) {
    await s.unauthenticate()
    return { ok: 'Nobody is logged in', code: ['CAPABILITY', ...s.capabilities()] }
  },
})
