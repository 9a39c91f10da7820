import { saslMechanism } from '../../auth/sasl/index.ts'
import { authenticate as converse, MAX_RESPONSE, type SaslFailure, type SaslPeer } from '../../auth/sasl/mechanism.ts'
import { admit } from '../admit.ts'
import { command } from '../command.ts'
import { Bad, No } from '../reply.ts'
import type { Session } from '../session.ts'

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
    const result = await converse(mechanism, initial, peerOf(s))
    if (result.kind === 'failed') throw FAILURES[result.reason]()
    return await admit(s, result)
  },
})

const peerOf = (s: Session): SaslPeer => ({
  authenticator: s.services.authenticator,
  service: 'imaps',
  remote: s.remote,
  signal: s.ending,
  bindings: s.bindings,
  ask: async (challenge) => (await s.exchange.ask(challenge, MAX_RESPONSE)).toString('latin1'),
  offers: (name) => s.offers(`AUTH=${name}`),
})

const FAILURES: Readonly<Record<SaslFailure, () => Error>> = {
  cancelled: () => new Bad('AUTHENTICATE cancelled'),
  malformed: () => new Bad('Invalid SASL response'),
  // The same as for a wrong password: what goes between the two may be somebody else.
  'channel-binding': () => new No('AUTHENTICATIONFAILED', 'The login is bound to another TLS channel'),
  authorization: () => new No('AUTHORIZATIONFAILED', 'Acting for another user is not offered'),
}
