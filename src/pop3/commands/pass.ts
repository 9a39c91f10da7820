import { credential } from '../arguments.ts'
import { command } from '../command.ts'
import { logIn } from '../login.ts'
import { Bad } from '../reply.ts'

/** PASS string. RFC 1939 §7: all that follows the one space, spaces too. */
export const pass = command({
  name: 'PASS',
  rfc: 'RFC 1939 §7',
  states: ['authorization'],
  // A login that is refused without a wait, as for LOGIN-DELAY, could be tried without end.
  paced: true,
  parse: credential,
  async run(session, password) {
    const { user, remote, gone: signal } = session
    if (user === undefined) throw new Bad('Send USER first')
    const { authenticator, service } = session.services
    return logIn(session, await authenticator.login({ user, password, service, remote, signal }))
  },
})
