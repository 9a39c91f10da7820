import { credential, withoutSpaces } from '../arguments.ts'
import { command } from '../command.ts'
import { Bad } from '../reply.ts'

/** USER name. RFC 1939 §7. Whether there is such a user is not told. */
export const user = command({
  name: 'USER',
  rfc: 'RFC 1939 §7',
  states: ['authorization'],
  capability: 'USER',
  parse(argument) {
    const name = credential(withoutSpaces(argument))
    if (name === '') throw new Bad('A user name is needed')
    return name
  },
  run(session, name) {
    session.user = name
    return { ok: 'Send the password' }
  },
})
