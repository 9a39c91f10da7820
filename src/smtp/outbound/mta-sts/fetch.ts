/** A domain's policy from its web server, as careful as what a stranger named has to be asked: RFC 8461 §3.3. */
import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { isIPv6 } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import type { Dns } from '../../../net/dns/dns.ts'
import { addressesOf } from '../mx.ts'
import { type ReadPolicy, readPolicy } from './policy.ts'

const MAX_OCTETS = 64 * 1024
const DEADLINE_MS = 10_000
/** Addresses that are tried within it. */
const MAX_ADDRESSES = 2
const PORT = 443
const PATH = '/.well-known/mta-sts.txt'

export interface FetchOptions {
  readonly dns: Dns
  readonly privateAddresses?: boolean
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly port?: number
  /** Milliseconds. */
  readonly deadline?: number
}

/** Throws an Error with words on why there is none. */
export async function fetchPolicy(domain: string, options: FetchOptions): Promise<ReadPolicy> {
  const host = `mta-sts.${domain}`
  const signal = AbortSignal.timeout(options.deadline ?? DEADLINE_MS)
  const { addresses } = await addressesOf(host, options)
  let trouble: unknown
  for (const address of addresses.slice(0, MAX_ADDRESSES)) {
    if (signal.aborted) break
    try {
      const policy = readPolicy(await getText({ host, address, signal, options }))
      if (!policy) throw new Error(`what ${host} gives is no policy`)
      return policy
    } catch (err) {
      trouble = err
    }
  }
  throw signal.aborted ? new Error(`${host} took too long`) : trouble
}

interface Get {
  readonly host: string
  readonly address: string
  readonly signal: AbortSignal
  readonly options: FetchOptions
}

/** From this address and no other: what the name means a moment later, and where the server would send us, does not matter. */
function getText({ host, address, signal, options: { ca, port = PORT } }: Get): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ host: address, port, servername: host, path: PATH, method: 'GET', agent: false, signal, family: isIPv6(address) ? 6 : 4 },
      headers: { host: port === PORT ? host : `${host}:${port}`, accept: 'text/plain', 'accept-encoding': 'identity' },
      ...{
        maxHeaderSize: 16_384,
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        checkServerIdentity: (_: string, peer: PeerCertificate) => mustName(host, peer),
      },
      ...(ca !== undefined && { ca }),
    })
    asked.on('error', reject)
    asked.on('response', (response) => {
      const fail = (why: string): void => {
        reject(new Error(why))
        asked.destroy()
      }
      if (response.statusCode !== 200) return fail(`${host} answers ${response.statusCode}`)
      if (!/^text\/plain\s*(?:;|$)/i.test(response.headers['content-type'] ?? '')) return fail(`${host} gives something else than plain text`)
      if (response.headers['content-encoding'] !== undefined) return fail(`${host} packs what was to be plain`)
      const chunks: Buffer[] = []
      let octets = 0
      response.on('data', (chunk: Buffer) => {
        octets += chunk.length
        if (octets > MAX_OCTETS) return fail(`${host} gives more than ${MAX_OCTETS} octets`)
        chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => (response.complete ? resolve(Buffer.concat(chunks).toString('utf8')) : fail(`${host} broke off`)))
    })
    asked.end()
  })
}

/** By a DNS name of the certificate; a common name is none (RFC 8461 §3.3). */
const mustName = (host: string, { raw }: PeerCertificate): Error | undefined =>
  new X509Certificate(raw).checkHost(host, { subject: 'never' }) === undefined ? new Error(`the certificate is not for ${host}`) : undefined
