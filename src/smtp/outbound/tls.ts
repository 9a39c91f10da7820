/** What is asked of TLS on the way to another server, and whether it holds: RFC 3207, RFC 7672 (DANE), RFC 8461 (MTA-STS), RFC 8314 to a relay. */
import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls'
import type { Tlsa } from '../../net/dns/dns.ts'
import type { TlsFault, TlsResult } from '../../store/tls-sessions.ts'
import { Failure } from './failure.ts'

/** Where TLS begins. */
export type TlsStart = 'starttls' | 'implicit'

export type TlsDemand =
  /** Whatever can be had: a certificate of anybody's, and without TLS where there is none. With `tries` it is found out whether that would hold. */
  | { readonly kind: 'opportunistic'; readonly tries?: Extract<TlsDemand, { kind: 'verify' }> }
  | { readonly kind: 'none' }
  /** TLS with anybody's certificate. */
  | { readonly kind: 'encrypt' }
  /** A certificate that an authority gave for the host's name; `ca` instead of the system's. */
  | { readonly kind: 'verify'; readonly ca?: string | undefined }
  /** One that a TLSA record names; `names` are those of which a certificate of an authority must have one, the first is asked for. */
  | { readonly kind: 'dane'; readonly records: readonly Tlsa[]; readonly names: readonly string[] }

export interface Secured {
  readonly protocol: string
  readonly cipher: string
  readonly by: 'nobody' | 'authority' | 'dane'
  /** What would not have held. */
  readonly fault?: TlsFault | undefined
}

const TLS_FAILED = '4.7.5'

/** Equal for demands that ask the same. */
export const demandName = (demand: TlsDemand): string =>
  JSON.stringify(demand, (_, value) => (value?.type === 'Buffer' ? Buffer.from(value.data).toString('hex') : value))

export const demandsTls = (demand: TlsDemand): boolean => demand.kind !== 'opportunistic' && demand.kind !== 'none'

/** The handshake. Throws Failure; the socket is destroyed then. */
export async function secure(
  socket: Socket,
  { host, demand, timeout }: { readonly host: string; readonly demand: TlsDemand; readonly timeout: number },
): Promise<{ readonly socket: TLSSocket; readonly secured: Secured }> {
  const fail = (why: string, { result = 'validation-failure', cause }: { result?: TlsResult; cause?: unknown } = {}): Failure =>
    new Failure(`No secure connection to ${host}: ${why}`, {
      ...{ permanent: false, status: TLS_FAILED, remote: host, elsewhere: true, cause, fault: { result, reason: why } },
    })
  const tries = demand.kind === 'opportunistic' ? demand.tries : undefined
  const ca = demand.kind === 'verify' ? demand.ca : tries?.ca
  // RFC 7672 §8.1: the name that the records stand at.
  const servername = demand.kind === 'dane' ? demand.names[0]! : host
  const tls = connect({
    socket,
    ...(isIP(servername) === 0 && { servername }),
    ...(ca !== undefined && { ca }),
    // Looked at below, where more is known of what must hold.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(fail('the handshake took too long')), timeout)
  const onClose = (): void => reject(fail('the server closed the connection'))
  tls.once('secureConnect', resolve).once('close', onClose)
  tls.on('error', (err: Error) => reject(fail(reasonOf(err), { cause: err })))
  try {
    await promise
    const wrong = mistrust(tls, host, demand)
    if (wrong) throw fail(wrong.reason, wrong)
    const fault = tries && mistrust(tls, host, tries)
    const by = demand.kind === 'dane' ? 'dane' : demand.kind === 'verify' ? 'authority' : 'nobody'
    return { socket: tls, secured: { protocol: tls.getProtocol() ?? '', cipher: tls.getCipher().standardName, by, fault } }
  } catch (err) {
    tls.destroy()
    socket.destroy()
    throw err
  } finally {
    clearTimeout(timer)
    tls.off('close', onClose)
  }
}

/** OpenSSL's reason without its numbers. */
const reasonOf = (err: Error): string => ('reason' in err && typeof err.reason === 'string' ? err.reason : err.message)

/** undefined: what was demanded holds. */
function mistrust(tls: TLSSocket, host: string, demand: TlsDemand): TlsFault | undefined {
  switch (demand.kind) {
    case 'none':
    case 'opportunistic':
    case 'encrypt':
      return undefined
    case 'verify':
      return untrusted(tls) ?? misnamed(host, tls)
    case 'dane':
      return againstTlsa(tls, demand)
    default:
      return demand satisfies never
  }
}

/** Node's words for a certificate that does not hold, where a result of RFC 8460 says more than that nobody trusts it. */
const RESULTS: ReadonlyMap<string, TlsResult> = new Map([
  ['CERT_HAS_EXPIRED', 'certificate-expired'],
  ['CERT_NOT_YET_VALID', 'certificate-expired'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate-host-mismatch'],
])

function untrusted({ authorized, authorizationError: error }: TLSSocket): TlsFault | undefined {
  if (authorized) return undefined
  const result = RESULTS.get(String(error)) ?? 'certificate-not-trusted'
  return { result, reason: `its certificate cannot be trusted (${String(error)})` }
}

function misnamed(host: string, tls: TLSSocket): TlsFault | undefined {
  const why = checkServerIdentity(host, tls.getPeerCertificate())
  return why && { result: 'certificate-host-mismatch', reason: why.message }
}

const DANE_TA = 2
const DANE_EE = 3

/** RFC 7672 §3.1: only DANE-EE, for which names and dates do not matter, and DANE-TA, under which the certificate must be valid for a name. */
function againstTlsa(tls: TLSSocket, { records, names }: Extract<TlsDemand, { kind: 'dane' }>): TlsFault | undefined {
  const chain = chainOf(tls)
  const [leaf] = chain
  if (leaf && records.some((record) => record.usage === DANE_EE && matches(leaf, record))) return undefined
  const anchored = leaf !== undefined && records.some((record) => record.usage === DANE_TA && leadsTo(chain, record))
  if (anchored && names.some((name) => leaf.checkHost(name) !== undefined)) return undefined
  const reason = 'its certificate is none that its TLSA records name'
  return { result: anchored ? 'certificate-host-mismatch' : 'certificate-not-trusted', reason }
}

const DIGEST_OCTETS = [undefined, 32, 64]

/** Records of other usages say nothing to SMTP; none that is left means that there is no DANE (RFC 7672 §3.1.3). */
export const isUsable = ({ usage, selector, matchingType, certificate }: Tlsa): boolean =>
  (usage === DANE_EE || usage === DANE_TA) &&
  selector <= 1 &&
  (matchingType === 0 ? isReadable(selector, certificate) : certificate.length === DIGEST_OCTETS[matchingType])

const isReadable = (selector: number, octets: Buffer): boolean => {
  try {
    return Boolean(selector === 0 ? new X509Certificate(octets) : keyOf(octets))
  } catch {
    return false
  }
}

const keyOf = (spki: Buffer) => createPublicKey({ key: spki, format: 'der', type: 'spki' })

/** Whether a record is of this certificate, whatever its usage. */
export function matches(certificate: X509Certificate, { selector, matchingType, certificate: wanted }: Tlsa): boolean {
  const octets = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: 'spki', format: 'der' })
  if (matchingType === 0) return octets.equals(wanted)
  return createHash(matchingType === 1 ? 'sha256' : 'sha512')
    .update(octets)
    .digest()
    .equals(wanted)
}

/** An authority that stands in the record as a whole need not be sent along (RFC 7671 §5.2.2, §5.2.3). */
function leadsTo(chain: readonly X509Certificate[], record: Tlsa): boolean {
  const anchor = chain.findIndex((certificate) => matches(certificate, record))
  if (anchor >= 0) return isChain(chain.slice(0, anchor + 1))
  if (record.matchingType !== 0) return false
  if (record.selector === 0) {
    const authority = new X509Certificate(record.certificate)
    return chain.some((last, i) => last.checkIssued(authority) && isChain([...chain.slice(0, i + 1), authority]))
  }
  const key = keyOf(record.certificate)
  return chain.some((last, i) => last.verify(key) && isChain(chain.slice(0, i + 1)))
}

/** Each signed by the next, in its time, and what stands between is of authorities: not every owner of a certificate may give others. */
function isChain(chain: readonly X509Certificate[]): boolean {
  const now = Date.now()
  return chain.every((certificate, i) => {
    const issuer = chain[i + 1]
    const inTime = Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo)
    return inTime && (issuer === undefined || (issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)))
  })
}

/** A chain longer than this is none that leads anywhere. */
const MAX_CHAIN = 10

/** As the server sent it, the leaf first. */
function chainOf(tls: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  const seen = new Set<string>()
  for (let at = tls.getPeerX509Certificate(); at && chain.length < MAX_CHAIN && !seen.has(at.fingerprint256); at = at.issuerCertificate) {
    chain.push(at)
    seen.add(at.fingerprint256)
  }
  return chain
}
