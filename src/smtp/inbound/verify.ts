/** SPF, DKIM, ARC and DMARC of one message, by mailauth, which takes half a second to load: only for who needs it. */
import { arc } from 'mailauth/lib/arc/index.js'
import type { SignatureResult } from 'mailauth/lib/dkim/dkim-verifier.js'
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js'
import { spf } from 'mailauth/lib/spf/index.js'
import { domainOf } from '../../mail/address.ts'
import type { Dns } from '../../net/dns/dns.ts'
import { type Author, authorOf } from './author.ts'
import type { ArcFinding, ArcSet, DkimFinding, DmarcFinding, Findings, SpfFinding } from './findings.ts'
import { type BoundedResolver, boundedResolver } from './resolver.ts'
import { SHORTEST_RSA_KEY, Verifier } from './verifier.ts'

export interface Envelope {
  /** undefined: it is hidden. */
  readonly ip: string | undefined
  readonly helo: string
  /** '' is the null sender. */
  readonly from: string
}

/** SPF may take so long, from the start of the message on. Milliseconds. */
const SPF_MS = 20_000
/** RFC 7208 §4.6.4. */
const SPF_LOOKUPS = 10
const SPF_VOID = 2

export interface Verification {
  /** The body alone. */
  body(octets: Buffer): void
  finish(): Promise<Findings>
  /** After `finish`: SHA-256 of the body in relaxed form, base64; absent: nobody asked for it. */
  readonly bodyHash?: (() => string | undefined) | undefined
}

/** The header block is looked at, and SPF asked for, at once. What is not known when `over` aborts is `temperror`. */
export async function startVerifying(block: Buffer, { envelope, dns, hostname, over, hashes = false }: VerifyOptions): Promise<Verification> {
  const resolver = boundedResolver(dns, over)
  const verifier = new Verifier(resolver.resolve)
  const spfAsked = spfOf(envelope, hostname, resolver)
  // Whoever waits for it hears of it; if the message ends before, nobody does.
  spfAsked.catch(() => undefined)
  await verifier.emitHeaders(block)
  const author = authorOf(block, verifier.headerFrom)
  const bodyHash = hashes ? verifier.bodyHash() : undefined
  return {
    bodyHash,
    body: (octets) => verifier.body(octets),
    async finish() {
      const dkim = (await verifier.finish()).map(dkimFinding)
      const spfFound = await spfAsked
      const arcFound = await arcOf(verifier, resolver)
      return { spf: spfFound, dkim, ignored: verifier.ignored, arc: arcFound, dmarc: await dmarcOf(author, { spf: spfFound, dkim, resolver }) }
    },
  }
}

export interface VerifyOptions {
  readonly envelope: Envelope
  readonly dns: Dns
  readonly hostname: string
  readonly over: AbortSignal
  /** Whether there is a body hash; false if absent. */
  readonly hashes?: boolean
}

/** Of MAIL FROM, or of EHLO where that is empty. RFC 7208 §2.4. */
export async function spfOf({ ip, helo, from }: Envelope, mta: string, { resolve }: BoundedResolver): Promise<SpfFinding> {
  if (ip === undefined) return { result: 'policy', comment: 'the address of the client is hidden', identity: 'smtp.mailfrom', domain: domainOf(from) }
  const bounds = { strict: true, maxResolveCount: SPF_LOOKUPS, maxVoidCount: SPF_VOID, maxElapsedTime: SPF_MS }
  const { domain, status } = await spf({ ip, helo, sender: from, mta, resolver: resolve as never, ...bounds })
  return from === ''
    ? { result: status.result, identity: 'smtp.helo', domain: helo }
    : { result: status.result, identity: 'smtp.mailfrom', domain: domain || domainOf(from) }
}

const dkimFinding = ({ signingDomain = '', selector = '', algo = '', signature = '', status }: SignatureResult): DkimFinding => ({
  result: status.result,
  comment: status.comment || status.policy?.['dkim-rules'],
  domain: signingDomain.toLowerCase(),
  selector,
  algorithm: algo,
  signature: signature.slice(0, 8),
})

async function arcOf(verifier: Verifier, { resolve, isTroubled }: BoundedResolver): Promise<ArcFinding> {
  if (verifier.arcIsTooLong) return { result: 'fail', comment: 'too long to be looked at', sets: [] }
  // Read before arc() rewrites them.
  const sets = (verifier.arc.chain || []).map(arcSet).reverse()
  const { status } = await arc(verifier.arc as never, { resolver: resolve as never, strict: true, minBitLength: SHORTEST_RSA_KEY })
  const keys = (verifier.arc.chain || []).flatMap((set) => ['arc-seal', 'arc-message-signature'].map((field) => keyName(set[field]?.parsed)))
  const result = status.result === 'fail' && keys.some(isTroubled) ? 'temperror' : status.result
  return { result, comment: status.result === 'fail' ? status.comment || undefined : undefined, sets }
}

interface Valued {
  readonly value?: unknown
  readonly header?: { readonly from?: unknown }
}

const tagOf = (parsed: Record<string, unknown> | undefined, tag: string): string => `${(parsed?.[tag] as Valued | undefined)?.value ?? ''}`
const keyName = (parsed: Record<string, unknown> | undefined): string => `${tagOf(parsed, 's')}._domainkey.${tagOf(parsed, 'd')}`

function arcSet(set: Record<string, { parsed?: Record<string, unknown> }>): ArcSet {
  const dmarc = set['arc-authentication-results']?.parsed?.['dmarc'] as Valued | undefined
  const from = dmarc?.header?.from
  return {
    sealer: tagOf(set['arc-seal']?.parsed, 'd').toLowerCase(),
    dmarc: dmarc && { result: `${dmarc.value}`.toLowerCase(), from: typeof from === 'string' ? from.toLowerCase() : undefined },
  }
}

interface Evidence {
  readonly spf: SpfFinding
  readonly dkim: readonly DkimFinding[]
  readonly resolver: BoundedResolver
}

async function dmarcOf(author: Author, { spf: { result, domain }, dkim, resolver }: Evidence): Promise<DmarcFinding> {
  if (author.domain === undefined) return { result: 'permerror', comment: author.why, policy: 'none' }
  const from = author.domain
  const { response } = await evaluateDmarc({
    headerFrom: [`author@${from}`],
    spfDomains: result === 'pass' ? [domain] : [],
    dkimDomains: dkim.filter((one) => one.result === 'pass').map((one, i) => ({ id: `${i}`, domain: one.domain })) as never,
    resolver: resolver.resolve as never,
    strict: true,
  })
  if (!response) return { result: 'permerror', from, policy: 'none' }
  const policy = (response.policy as DmarcFinding['policy'] | undefined) ?? 'none'
  const found = response.status.result as DmarcFinding['result']
  const related = (other: string): boolean => isRelated(other, from, response.domain || from)
  // Another answer of the DNS might have made it pass.
  const unsure = (result === 'temperror' && related(domain)) || dkim.some((one) => one.result === 'temperror' && related(one.domain))
  return { result: found === 'fail' && unsure ? 'temperror' : found, from, policy, comment: response.policy && `p=${policy}` }
}

/** Whether it could be aligned with the author's domain (RFC 9989 §4.4). */
function isRelated(other: string, from: string, organisation: string): boolean {
  const domain = other.toLowerCase()
  return [from, organisation].includes(domain) || domain.endsWith(`.${organisation}`)
}
