/** The issuer of access tokens: its discovery document, its keys, and what it says of a token. OpenID Connect Discovery, RFC 9068, RFC 7662. */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { Unavailable } from '../../store/errors.ts'
import { createGate } from '../gate.ts'
import { type ClaimRules, type Claims, judgeClaims, type TokenVerdict } from './claims.ts'
import { fetchJson, fetchText } from './fetch.ts'

export interface IssuerOptions extends ClaimRules {
  /** Its URL, as it stands in `iss`. */
  readonly issuer: string
  /** What its tokens call us. */
  readonly audience: string
  /** Where its keys are, if that is another host than its own. */
  readonly jwks?: string | undefined
  /** To ask it about each token (RFC 7662) instead of checking signatures here. */
  readonly introspection?: { readonly url?: string | undefined; readonly clientId: string; readonly clientSecret: string } | undefined
}

export interface TokenIssuer {
  /** For clients: where to read about the issuer, and what to ask it for. */
  readonly configuration: string
  readonly scope: string
  /** Throws Unavailable, GateFull. */
  verify(token: string): Promise<TokenVerdict>
}

/** Signatures that only the issuer can make: nothing that is symmetric, nothing that is `none`. */
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA', 'Ed25519']
const CLOCK_SECONDS = 30
const KEYS_MS = 10 * 60_000
/** Between two looks for a key that is not there. */
const KEYS_AGAIN_MS = 30_000
const DISCOVERY_MS = 60 * 60_000
const DISCOVERY_AGAIN_MS = 10_000
const GATE = { atOnce: 16, waiting: 64, waitingPerOrigin: 64, waitMs: 5_000 }

export function createIssuer(options: IssuerOptions, now: () => number): TokenIssuer {
  const { issuer, scopes, introspection } = options
  const configuration = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const discover = once(DISCOVERY_MS, DISCOVERY_AGAIN_MS, now, async () => {
    const document = await fetchJson(configuration)
    // RFC 8414 §3.3: a document of another one would name that one's keys.
    if (document['issuer'] !== issuer) throw new Unavailable('the issuer of tokens calls itself by another name')
    return document
  })
  const claimsOf = introspection ? introspecting(options, discover) : verifying(options, discover)
  return {
    configuration,
    scope: scopes.join(' '),
    async verify(token) {
      const claims = await claimsOf(token)
      return 'kind' in claims ? (claims as TokenVerdict) : judgeClaims(claims, options)
    },
  }
}

type Discover = () => Promise<Claims>
type ClaimsOf = (token: string) => Promise<Claims | TokenVerdict>

/** The signature, here. */
function verifying({ issuer, audience, jwks }: IssuerOptions, discover: Discover): ClaimsOf {
  let keys: { readonly url: string; readonly set: JWTVerifyGetKey } | undefined
  async function keySet(): Promise<JWTVerifyGetKey> {
    const url = jwks ?? ownUrl((await discover())['jwks_uri'], issuer, 'oidc.jwks')
    if (keys?.url !== url) {
      const fetchKeys = async (from: string): Promise<Response> => {
        const { status, text } = await fetchText(from)
        return new Response(text, { status })
      }
      keys = { url, set: createRemoteJWKSet(new URL(url), { cacheMaxAge: KEYS_MS, cooldownDuration: KEYS_AGAIN_MS, [customFetch]: fetchKeys }) }
    }
    return keys.set
  }
  return async (token) => {
    const set = await keySet()
    try {
      const rules = { issuer, audience, algorithms: ALGORITHMS, clockTolerance: CLOCK_SECONDS, requiredClaims: ['exp'] }
      return (await jwtVerify(token, set, rules)).payload
    } catch (err) {
      if (err instanceof errors.JWTExpired) return { kind: 'invalid', why: 'expired', expired: true }
      if (err instanceof errors.JWKSTimeout || err instanceof errors.JWKSInvalid || !(err instanceof errors.JOSEError)) throw unavailable(err)
      // A generic one is what it throws for an answer that is no key set.
      if (err.code === errors.JOSEError.code) throw unavailable(err)
      return { kind: 'invalid', why: err.code }
    }
  }
}

/** The issuer's word. */
function introspecting({ issuer, audience, introspection }: IssuerOptions, discover: Discover): ClaimsOf {
  const gate = createGate(GATE)
  const { url, clientId = '', clientSecret = '' } = introspection ?? {}
  const form = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)
  // RFC 6749 §2.3.1.
  const authorization = `Basic ${Buffer.from(`${form(clientId)}:${form(clientSecret)}`).toString('base64')}`
  return async (token) => {
    const endpoint = url ?? ownUrl((await discover())['introspection_endpoint'], issuer, 'oidc.introspection.url')
    const body = new URLSearchParams({ token, token_type_hint: 'access_token' })
    const claims = await gate.run('', () => fetchJson(endpoint, { method: 'POST', headers: { authorization, accept: 'application/json' }, body }))
    if (claims['active'] !== true) return { kind: 'invalid', why: 'not active' }
    if (claims['iss'] !== undefined && claims['iss'] !== issuer) return { kind: 'invalid', why: 'issuer' }
    if (claims['aud'] !== undefined && ![claims['aud']].flat().includes(audience)) return { kind: 'invalid', why: 'audience' }
    const { exp } = claims
    if (exp !== undefined && !(typeof exp === 'number' && exp > Date.now() / 1000 - CLOCK_SECONDS))
      return { kind: 'invalid', why: 'expired', expired: true }
    return claims
  }
}

const unavailable = (cause: unknown): Unavailable =>
  cause instanceof Unavailable
    ? cause
    : new Unavailable(`the keys of the issuer cannot be had: ${cause instanceof Error ? cause.message : cause}`, { cause })

/** What the document names must be the issuer's own host, unless the configuration names it itself. */
function ownUrl(url: unknown, issuer: string, setting: string): string {
  if (typeof url === 'string' && URL.canParse(url) && new URL(url).origin === new URL(issuer).origin) return url
  throw new Unavailable(`the issuer of tokens names an address that is not its own: set ${setting}`)
}

/** One at a time for all who want it; kept for `ms`, and what failed for `againMs`. */
function once<T>(ms: number, againMs: number, now: () => number, make: () => Promise<T>): () => Promise<T> {
  let kept: { readonly value: Promise<T>; until: number } | undefined
  return () => {
    if (kept && now() < kept.until) return kept.value
    const made = { value: make(), until: Number.POSITIVE_INFINITY }
    kept = made
    made.value.then(
      () => (made.until = now() + ms),
      () => (made.until = now() + againMs),
    )
    return made.value
  }
}
