import { saslMechanism } from '../../auth/sasl/index.ts'
import { MAX_RESPONSE, type SaslFailure } from '../../auth/sasl/mechanism.ts'
import { admit } from '../admit.ts'
import { command } from '../command.ts'
import { Bad, No } from '../reply.ts'

/** AUTHENTICATE: SASL, with an initial response or without. RFC 9051 §6.2.2, RFC 4959. */
export const authenticate = command({
  names: ['AUTHENTICATE'],
  rfc: 'RFC 9051 §6.2.2',
  states: ['anonymous'],
  sync: 'none',
  capability: 'SASL-IR',
  announce: ['anonymous'],
  parse: (r) => ({ name: r.word(), initial: r.more ? r.atom() : undefined }),
  async run(s, { name, initial }) {
    const mechanism = s.offers(`AUTH=${name}`) ? saslMechanism(name) : undefined
    if (!mechanism) throw new No('CANNOT', 'This SASL mechanism is not offered')
    const begun = mechanism.begin(initial)
    let { step } = begun
    while (step.kind === 'challenge') step = begun.exchange.next((await s.exchange.ask(step.line, MAX_RESPONSE)).toString('latin1'))
    if (step.kind === 'failed') throw FAILURES[step.reason]()
    return await admit(s, step.user, step.password)
  },
})

const FAILURES: Readonly<Record<SaslFailure, () => Error>> = {
  cancelled: () => new Bad('AUTHENTICATE cancelled'),
  malformed: () => new Bad('Invalid SASL response'),
  authorization: () => new No('AUTHORIZATIONFAILED', 'Acting for another user is not offered'),
}
