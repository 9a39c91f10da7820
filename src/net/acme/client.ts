/** An account at an authority, and what it asks for (RFC 8555). Signatures are jose's. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, FlattenedSign, type JWK } from 'jose'
import { retryAtOf, type Web, type WebAnswer } from './http.ts'
import { AuthorityTrouble, fieldsOf, plain, problemOf } from './problem.ts'

export interface Account {
  /** PEM, P-256. */
  readonly key: string
  readonly email?: string | undefined
  /** RFC 8555 §7.3.4: the authority knows the admin already. `hmac`: as it gave it. */
  readonly external?: { readonly kid: string; readonly hmac: Buffer } | undefined
}

/** A name's authorization, or an order: the fields that we go by, all of them checked (RFC 8555 §7.1). */
export interface Order {
  readonly url: string
  readonly status: string
  readonly authorizations: readonly string[]
  readonly finalize: string
  readonly certificate: string | undefined
  readonly error: unknown
  /** Milliseconds since 1970: when to look again, if it says. */
  readonly retryAt: number | undefined
}

export interface Challenge {
  readonly url: string
  readonly status: string
  readonly token: string
}

export interface Authorization {
  readonly name: string
  readonly status: string
  /** TLS-ALPN-01, where it is offered. */
  readonly challenge: Challenge | undefined
  readonly error: unknown
  readonly retryAt: number | undefined
}

/** A server may call a nonce used up at any time (RFC 8555 §6.5). */
const MAX_NONCES = 8
const MAX_AUTHORIZATIONS = 200
const TLS_ALPN = 'tls-alpn-01'

/** What it gives rejects with Problem or AuthorityTrouble. */
export class AcmeClient {
  readonly #web: Web
  readonly #account: Account
  readonly #key: KeyObject
  readonly #jwk: JWK
  readonly #directoryUrl: string
  #directory: Record<string, unknown> | undefined
  #nonce: string | undefined
  #kid: string | undefined

  constructor(web: Web, directoryUrl: string, account: Account) {
    this.#web = web
    this.#directoryUrl = directoryUrl
    this.#account = account
    this.#key = createPrivateKey(account.key)
    this.#jwk = createPublicKey(this.#key).export({ format: 'jwk' }) as JWK
  }

  /** Makes the account, or finds the one that the key has (RFC 8555 §7.3.1). */
  async login(): Promise<void> {
    const url = await this.#resource('newAccount')
    const { email, external } = this.#account
    const { externalAccountRequired } = fieldsOf(this.#directory!['meta'])
    if (externalAccountRequired === true && !external)
      throw new AuthorityTrouble('this authority wants "tls.acme.external_account": it gives "kid" and an HMAC key to who has an account there')
    const contact = email === undefined ? [] : [`mailto:${email}`]
    const answer = await this.#signed(url, {
      termsOfServiceAgreed: true,
      contact,
      ...(external && { externalAccountBinding: await bound(external, url, this.#jwk) }),
    })
    const { location } = answer.headers
    if (location === undefined) throw new AuthorityTrouble('the authority made an account and did not say where')
    this.#kid = location
    const known = fieldsOf(json(answer))['contact']
    // 200: it was there, perhaps with another address. Some authorities keep none.
    if (answer.status === 200 && Array.isArray(known) && JSON.stringify(known) !== JSON.stringify(contact)) await this.#signed(location, { contact })
  }

  async order(names: readonly string[]): Promise<Order> {
    const answer = await this.#signed(await this.#resource('newOrder'), { identifiers: names.map((value) => ({ type: 'dns', value })) })
    const { location } = answer.headers
    if (location === undefined) throw new AuthorityTrouble('the authority took the order and did not say where it is')
    return orderOf(location, answer)
  }

  async orderAt(url: string): Promise<Order> {
    return orderOf(url, await this.#signed(url))
  }

  async authorization(url: string): Promise<Authorization> {
    const answer = await this.#signed(url)
    const { identifier, status, challenges } = fieldsOf(json(answer))
    const { value } = fieldsOf(identifier)
    if (typeof value !== 'string' || typeof status !== 'string') throw new AuthorityTrouble('the authority shows an authorization that is none')
    const all = Array.isArray(challenges) ? challenges.map(fieldsOf) : []
    const ours = all.find(({ type }) => type === TLS_ALPN)
    return {
      name: value.toLowerCase(),
      status,
      challenge: challengeOf(ours),
      error: (ours ?? all.find(({ error }) => error !== undefined))?.['error'],
      retryAt: retryAtOf(answer.headers['retry-after']),
    }
  }

  /** SHA-256 of the key authorization (RFC 8555 §8.1): what the certificate of the challenge shows. */
  async digest({ token }: Challenge): Promise<Buffer> {
    return createHash('sha256')
      .update(`${token}.${await calculateJwkThumbprint(this.#jwk)}`)
      .digest()
  }

  /** It may look now (RFC 8555 §7.5.1). */
  async respond({ url }: Challenge): Promise<void> {
    await this.#signed(url, {})
  }

  /** `csr`: DER. */
  async finalize({ url, finalize }: Order, csr: Buffer): Promise<Order> {
    return orderOf(url, await this.#signed(finalize, { csr: csr.toString('base64url') }))
  }

  /** PEM, the host's own first. */
  async certificate(url: string): Promise<string> {
    return (await this.#signed(url)).body.toString('latin1')
  }

  async #resource(name: string): Promise<string> {
    if (!this.#directory) {
      const answer = await this.#web('GET', this.#directoryUrl)
      if (answer.status !== 200) throw problemOf(answer.status, loose(answer), retryAtOf(answer.headers['retry-after']))
      this.#directory = fieldsOf(json(answer))
    }
    const url = this.#directory[name]
    if (typeof url !== 'string') throw new AuthorityTrouble(`${this.#directoryUrl} is no ACME directory: it has no ${name}`)
    return url
  }

  /** Without a payload it only asks (POST-as-GET, RFC 8555 §6.3). */
  async #signed(url: string, payload?: object): Promise<WebAnswer> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#web('POST', url, await this.#sign(url, payload))
      this.#nonce = answer.headers['replay-nonce']
      if (answer.status >= 200 && answer.status < 300) return answer
      const problem = problemOf(answer.status, loose(answer), retryAtOf(answer.headers['retry-after']))
      if (problem.type !== 'badNonce' || tries >= MAX_NONCES) throw problem
    }
  }

  async #sign(url: string, payload: object | undefined): Promise<string> {
    const nonce = this.#nonce ?? (await this.#newNonce())
    this.#nonce = undefined
    const signer = new FlattenedSign(payload === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(payload)))
    const who = this.#kid === undefined ? { jwk: this.#jwk } : { kid: this.#kid }
    return JSON.stringify(await signer.setProtectedHeader({ alg: 'ES256', nonce, url, ...who }).sign(this.#key))
  }

  async #newNonce(): Promise<string> {
    const { headers } = await this.#web('HEAD', await this.#resource('newNonce'))
    const nonce = headers['replay-nonce']
    if (nonce === undefined || !/^[\w-]{1,1000}$/.test(nonce)) throw new AuthorityTrouble('the authority gives no nonce')
    return nonce
  }
}

function challengeOf(given: Record<string, unknown> | undefined): Challenge | undefined {
  const { url, token, status } = given ?? {}
  return typeof url === 'string' && isToken(token) ? { url, token, status: typeof status === 'string' ? status : '' } : undefined
}

/** RFC 8555 §8: base64url, so that nothing else can stand in a key authorization. */
const isToken = (token: unknown): token is string => typeof token === 'string' && /^[\w-]{20,500}$/.test(token)

const bound = ({ kid, hmac }: NonNullable<Account['external']>, url: string, jwk: JWK): Promise<object> =>
  new FlattenedSign(Buffer.from(JSON.stringify(jwk))).setProtectedHeader({ alg: 'HS256', kid, url }).sign(hmac)

function orderOf(url: string, answer: WebAnswer): Order {
  const { status, authorizations, finalize, certificate, error } = fieldsOf(json(answer))
  const all = Array.isArray(authorizations) ? authorizations.filter((one) => typeof one === 'string') : []
  if (typeof status !== 'string' || typeof finalize !== 'string' || all.length > MAX_AUTHORIZATIONS)
    throw new AuthorityTrouble('the authority shows an order that is none')
  return {
    ...{ url, status, finalize, error, authorizations: all },
    certificate: typeof certificate === 'string' ? certificate : undefined,
    retryAt: retryAtOf(answer.headers['retry-after']),
  }
}

function json({ body }: WebAnswer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw new AuthorityTrouble(`the authority answers what is no JSON: ${plain(body.toString('latin1', 0, 100))}`)
  }
}

/** Of an error: often it is a page for people. */
function loose(answer: WebAnswer): unknown {
  try {
    return json(answer)
  } catch {
    return { detail: plain(answer.body.toString('latin1', 0, 100)) }
  }
}
