import { admit } from '../admit.ts'
import { command } from '../command.ts'

/** LOGIN: name and password as they are; the connection is always encrypted. RFC 9051 §6.2.3. */
export const login = command({
  names: ['LOGIN'],
  rfc: 'RFC 9051 §6.2.3',
  states: ['anonymous'],
  sync: 'none',
  parse: (r) => ({ user: r.astring(), password: r.astring() }),
  async run(s, { user, password }) {
    const { remote, ending: signal } = s
    return await admit(s, await s.services.authenticator.login({ user, password, service: 'imaps', remote, signal }))
  },
})
