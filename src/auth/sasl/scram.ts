/** SASL SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: the password itself never goes over the line. RFC 5802 §5 and §7, RFC 7677, RFC 9266. */
import { randomBytes } from 'node:crypto'
import type { LoginResult } from '../attempt.ts'
import { mustBeOneself, type SaslExchange, SaslFailed, type SaslMechanism, type SaslPeer } from './mechanism.ts'

const NAME = 'SCRAM-SHA-256'
const PLUS = `${NAME}-PLUS`
const NONCE_OCTETS = 18
const MIN_PROOF = 1

export const scramSha256: SaslMechanism = { name: NAME, rfc: 'RFC 7677', run: (exchange) => run(exchange, false) }
export const scramSha256Plus: SaslMechanism = { name: PLUS, rfc: 'RFC 7677', binds: true, run: (exchange) => run(exchange, true) }

async function run(exchange: SaslExchange, plus: boolean): Promise<LoginResult> {
  const { peer } = exchange
  const first = readClientFirst(await exchange.first())
  const binding = bindingOf(first, plus, peer)
  mustBeOneself(first.authzid, first.user)
  const login = await peer.authenticator.scram(exchange.who(first.user))
  if (login.kind !== 'salted') return login

  const nonce = first.nonce + randomBytes(NONCE_OCTETS).toString('base64')
  const { salt, iterations } = login.salting
  const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`
  const final = readClientFinal(await exchange.ask(serverFirst))
  if (final.nonce !== nonce) throw new SaslFailed('malformed')
  // Before the proof is looked at: whoever is told that the channel is another one learns nothing of the password.
  if (!final.binding.equals(Buffer.concat([Buffer.from(first.gs2), binding]))) throw new SaslFailed('channel-binding')
  const { result, signature } = await login.prove(`${first.bare},${serverFirst},${final.withoutProof}`, final.proof)
  if (result.kind !== 'ok' || !signature) return result
  // None of the protocols has room for it in its reply to success: it goes as a challenge, and the client says nothing to it.
  if ((await exchange.ask(`v=${signature.toString('base64')}`)) !== '') throw new SaslFailed('malformed')
  return result
}

interface ClientFirst {
  /** The header as it came: it comes again, in the client's last message. */
  readonly gs2: string
  /** `n`: the client cannot bind; `y`: it could, and thinks that the server cannot; else the type of binding that it uses. */
  readonly flag: 'n' | 'y' | { readonly type: string }
  readonly authzid: string
  readonly bare: string
  readonly user: string
  readonly nonce: string
}

/** What the client's channel has to be called; empty without binding. Throws SaslFailed. */
function bindingOf({ flag }: ClientFirst, plus: boolean, peer: SaslPeer): Buffer {
  if (typeof flag === 'object') {
    if (!plus) throw new SaslFailed('malformed')
    const data = peer.bindings?.data(flag.type)
    if (!data) throw new SaslFailed('channel-binding')
    return data
  }
  if (plus) throw new SaslFailed('malformed')
  // Somebody took -PLUS out of what the client was offered (RFC 5802 §6).
  if (flag === 'y' && peer.offers(PLUS)) throw new SaslFailed('channel-binding')
  return Buffer.alloc(0)
}

/** RFC 5802 §7. Extensions may follow and are ignored; a mandatory one (`m=`) is refused. */
const CLIENT_FIRST =
  /^(?<gs2>(?:(?<flag>[ny])|p=(?<type>[A-Za-z0-9.-]+)),(?:a=(?<authzid>[^,\0]+))?,)(?<bare>n=(?<user>[^,\0]+),r=(?<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*)$/

function readClientFirst(message: string): ClientFirst {
  const { gs2, flag, type, authzid = '', bare, user, nonce } = CLIENT_FIRST.exec(message)?.groups ?? {}
  if (gs2 === undefined || bare === undefined || user === undefined || nonce === undefined) throw new SaslFailed('malformed')
  const how = type !== undefined ? { type } : flag === 'y' ? 'y' : 'n'
  return { gs2, flag: how, authzid: saslName(authzid), bare, user: saslName(user), nonce }
}

/** `=2C` is a comma, `=3D` an equals sign, and no other `=` may stand in a name. */
function saslName(text: string): string {
  const plain = text.replaceAll(/=2C|=3D/g, '')
  if (plain.includes('=')) throw new SaslFailed('malformed')
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

const CLIENT_FINAL = /^(?<withoutProof>c=(?<binding>[^,\0]+),r=(?<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*?),p=(?<proof>[^,\0]+)$/

function readClientFinal(message: string): { withoutProof: string; binding: Buffer; nonce: string; proof: Buffer } {
  const { withoutProof, binding, nonce, proof } = CLIENT_FINAL.exec(message)?.groups ?? {}
  if (withoutProof === undefined || binding === undefined || nonce === undefined || proof === undefined) throw new SaslFailed('malformed')
  return { withoutProof, binding: base64(binding), nonce, proof: base64(proof) }
}

function base64(text: string): Buffer {
  const octets = Buffer.from(text, 'base64')
  if (octets.length < MIN_PROOF || octets.toString('base64') !== text) throw new SaslFailed('malformed')
  return octets
}
