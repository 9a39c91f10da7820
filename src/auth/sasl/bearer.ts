/** Access tokens: OAUTHBEARER (RFC 7628), and XOAUTH2, which Google had before it and many programs speak only. */
import type { LoginResult } from '../attempt.ts'
import { type SaslExchange, SaslFailed, type SaslMechanism } from './mechanism.ts'

const SEPARATOR = '\x01'

export const oauthBearer: SaslMechanism = {
  name: 'OAUTHBEARER',
  rfc: 'RFC 7628',
  tokens: true,
  run: async (exchange) => logIn(exchange, readOauthBearer(await exchange.first()), (hints) => ({ status: 'invalid_token', ...hints })),
}

export const xoauth2: SaslMechanism = {
  name: 'XOAUTH2',
  rfc: 'RFC 7628',
  tokens: true,
  run: async (exchange) => logIn(exchange, readXoauth2(await exchange.first()), ({ scope }) => ({ status: '401', schemes: 'bearer', scope })),
}

interface Bearer {
  /** Empty: whose the token is. */
  readonly user: string
  readonly token: string
}

interface Hints {
  readonly scope: string
  readonly 'openid-configuration': string
}

async function logIn(exchange: SaslExchange, { user, token }: Bearer, failure: (hints: Hints) => object): Promise<LoginResult> {
  const { authenticator } = exchange.peer
  const { tokens } = authenticator
  if (!tokens) return { kind: 'unavailable' }
  const result = await tokens.login({ ...exchange.who(user), token })
  // Why goes as a challenge (RFC 7628 §3.2.2); whatever the client says to it, the exchange has failed.
  if (result.kind === 'invalid')
    await exchange.peer.ask(
      Buffer.from(JSON.stringify(failure({ scope: tokens.scope, 'openid-configuration': tokens.configuration }))).toString('base64'),
    )
  return result
}

/** RFC 7628 §3.1: a GS2 header without binding, then pairs of key and value, each behind a separator, and one more at the end. */
function readOauthBearer(message: string): Bearer {
  const [header = '', ...rest] = message.split(SEPARATOR)
  const gs2 = /^[ny],(?:a=([^,\0]+))?,$/.exec(header)
  if (!gs2 || rest.length < 3 || rest.at(-1) !== '' || rest.at(-2) !== '') throw new SaslFailed('malformed')
  const user = gs2[1] ?? ''
  if (/=(?!2C|3D)/.test(user)) throw new SaslFailed('malformed')
  return { user: user.replaceAll('=2C', ',').replaceAll('=3D', '='), token: tokenIn(rest.slice(0, -2)) }
}

/** `user=` name SEPARATOR `auth=Bearer ` token SEPARATOR SEPARATOR. */
function readXoauth2(message: string): Bearer {
  const [first = '', ...rest] = message.split(SEPARATOR)
  const user = /^user=([^\0]+)$/.exec(first)?.[1]
  if (user === undefined || rest.length < 3 || rest.at(-1) !== '' || rest.at(-2) !== '') throw new SaslFailed('malformed')
  return { user, token: tokenIn(rest.slice(0, -2)) }
}

/** b64token of RFC 6750 §2.1, from the one `auth` among the pairs. */
function tokenIn(pairs: readonly string[]): string {
  if (!pairs.every((pair) => /^[A-Za-z]+=[\t\r\n -~]*$/.test(pair))) throw new SaslFailed('malformed')
  const [auth, ...more] = pairs.filter((pair) => pair.startsWith('auth='))
  const token = /^auth=bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(auth ?? '')?.[1]
  if (token === undefined || more.length > 0) throw new SaslFailed('malformed')
  return token
}
