/** SASL PLAIN: `[authzid] NUL authcid NUL password` in one response. RFC 4616. */
import { mustBeOneself, SaslFailed, type SaslMechanism } from './mechanism.ts'

export const plain: SaslMechanism = {
  name: 'PLAIN',
  rfc: 'RFC 4616',
  async run(exchange) {
    const [authzid = '', user, password, ...rest] = (await exchange.first()).split('\0')
    if (!user || !password || rest.length > 0) throw new SaslFailed('malformed')
    mustBeOneself(authzid, user)
    return exchange.peer.authenticator.login({ ...exchange.who(user), password })
  },
}
