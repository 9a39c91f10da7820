/** SASL LOGIN: user name and password as two responses. Never a standard (draft-murchison-sasl-login); Outlook speaks it. */
import { SaslFailed, type SaslMechanism } from './mechanism.ts'

export const login: SaslMechanism = {
  name: 'LOGIN',
  rfc: 'RFC 4422',
  async run(exchange) {
    // client: Outlook may send the user name with the command, and wants exactly these two texts.
    const user = exchange.initial() || (await exchange.ask('Username:'))
    if (user === '') throw new SaslFailed('malformed')
    const password = await exchange.ask('Password:')
    if (password === '') throw new SaslFailed('malformed')
    return exchange.peer.authenticator.login({ ...exchange.who(user), password })
  },
}
