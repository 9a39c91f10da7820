import { authenticate, type SaslMechanism } from '../../auth/sasl/mechanism.ts'
import { withoutSpaces } from '../arguments.ts'
import { command } from '../command.ts'
import { logIn } from '../login.ts'
import { Bad, type Done, No } from '../reply.ts'
import type { Session } from '../session.ts'

const namesOf = ({ mechanisms }: Session): string[] => mechanisms.map(({ name }) => name)

/** AUTH mechanism [initial-response]. RFC 5034. */
export const auth = command({
  name: 'AUTH',
  rfc: 'RFC 5034 §4',
  states: ['authorization'],
  paced: true,
  capability: (session) => `SASL ${namesOf(session).join(' ')}`,
  parse(argument) {
    const [name = '', initial, ...rest] = withoutSpaces(argument).split(' ')
    if (rest.length > 0) throw new Bad('A mechanism and an initial response are all that AUTH takes')
    return { name: name.toUpperCase(), initial }
  },
  run(session, { name, initial }) {
    // client: Outlook asks for the mechanisms by AUTH alone, as some servers did before RFC 5034.
    if (name === '') return { ok: 'The mechanisms are', lines: namesOf(session) }
    const mechanism = session.mechanisms.find((m) => m.name === name)
    if (!mechanism) throw new No(`There is no such mechanism, only ${namesOf(session).join(', ')}`)
    return exchange(session, mechanism, initial)
  },
})

async function exchange(session: Session, mechanism: SaslMechanism, initial: string | undefined): Promise<Done> {
  const { remote, gone: signal, bindings, services } = session
  const result = await authenticate(mechanism, initial, {
    ...{ authenticator: services.authenticator, service: services.service, remote, signal, bindings },
    ask: (challenge) => session.ask(`+ ${challenge}`),
    offers: (name) => session.mechanisms.some((m) => m.name === name),
  })
  if (result.kind !== 'failed') return logIn(session, result)
  switch (result.reason) {
    case 'cancelled':
      throw new No('Cancelled')
    case 'malformed':
      throw new Bad('This is not what the mechanism asks for, or not base64')
    case 'channel-binding':
      throw new No('The login is bound to another TLS channel', { code: 'AUTH' })
    case 'authorization':
      throw new No('Nobody may act as somebody else', { code: 'AUTH' })
    default:
      return result.reason satisfies never
  }
}
