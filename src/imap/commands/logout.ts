import { ANY_STATE, command, noArguments } from '../command.ts'

/** LOGOUT: BYE, then OK, then the end. RFC 9051 §6.1.3. */
export const logout = command({
  names: ['LOGOUT'],
  rfc: 'RFC 9051 §6.1.3',
  states: ANY_STATE,
  sync: 'none',
  parse: noArguments,
  run(s) {
    s.out.status('BYE', 'Logging out')
    s.loggedOut = true
    return { ok: 'LOGOUT completed' }
  },
})
