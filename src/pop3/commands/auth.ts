import type { SaslMechanism, SaslStep } from '../../auth/sasl/mechanism.ts'
import { plain } from '../../auth/sasl/plain.ts'
import { command } from '../command.ts'
import { logIn } from '../login.ts'
import { Bad, type Done, No } from '../reply.ts'
import type { Session } from '../session.ts'

const MECHANISMS: readonly SaslMechanism[] = [plain]
const names = MECHANISMS.map((mechanism) => mechanism.name)

/** AUTH mechanism [initial-response]. RFC 5034. */
export const auth = command({
  name: 'AUTH',
  rfc: 'RFC 5034 §4',
  states: ['authorization'],
  capability: `SASL ${names.join(' ')}`,
  parse(argument) {
    const [name = '', initial, ...rest] = argument.trim().split(' ')
    if (rest.length > 0) throw new Bad('A mechanism and an initial response are all that AUTH takes')
    return { name: name.toUpperCase(), initial }
  },
  run(session, { name, initial }) {
    // client: Outlook asks for the mechanisms by AUTH alone, as some servers did before RFC 5034.
    if (name === '') return { ok: 'The mechanisms are', lines: names }
    const mechanism = MECHANISMS.find((m) => m.name === name)
    if (!mechanism) throw new No(`There is no such mechanism, only ${names.join(', ')}`)
    return exchange(session, mechanism, initial)
  },
})

async function exchange(session: Session, mechanism: SaslMechanism, initial: string | undefined): Promise<Done> {
  const begun = mechanism.begin(initial)
  let step: SaslStep = begun.step
  while (step.kind === 'challenge') step = begun.exchange.next(await session.ask(`+ ${step.line}`))
  if (step.kind === 'credentials') return logIn(session, step.user, step.password)
  switch (step.reason) {
    case 'cancelled':
      throw new No('Cancelled')
    case 'malformed':
      throw new Bad('This is not the base64 that the mechanism asks for')
    case 'authorization':
      throw new No('Nobody may act as somebody else', { code: 'AUTH' })
    default:
      return step.reason satisfies never
  }
}
