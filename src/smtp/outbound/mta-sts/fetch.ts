/** A domain's policy from its web server, as careful as what a stranger named has to be asked: RFC 8461 §3.3. */
import type { Dns } from '../../../net/dns/dns.ts'
import type { TlsResult } from '../../../store/tls-sessions.ts'
import { addressesOf } from '../mx.ts'
import { askWeb, WrongCertificate } from '../web.ts'
import { type ReadPolicy, readPolicy } from './policy.ts'

const MAX_OCTETS = 64 * 1024
const DEADLINE_MS = 10_000
/** Addresses that are tried within it. */
const MAX_ADDRESSES = 2
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

class NoPolicy extends Error {}

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
      if (!policy) throw new NoPolicy(`what ${host} gives is no policy`)
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

async function getText({ host, address, signal, options: { ca, port } }: Get): Promise<string> {
  const headers = { accept: 'text/plain', 'accept-encoding': 'identity' }
  const response = await askWeb({ host, address, port, path: PATH, headers, signal, ca })
  const fail = (why: string): Error => {
    response.destroy()
    return new Error(why)
  }
  if (response.statusCode !== 200) throw fail(`${host} answers ${response.statusCode}`)
  if (!/^text\/plain\s*(?:;|$)/i.test(response.headers['content-type'] ?? '')) throw fail(`${host} gives something else than plain text`)
  if (response.headers['content-encoding'] !== undefined) throw fail(`${host} packs what was to be plain`)
  const chunks: Buffer[] = []
  let octets = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    octets += chunk.length
    if (octets > MAX_OCTETS) throw fail(`${host} gives more than ${MAX_OCTETS} octets`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** RFC 8460 §4.3.2.2. */
export const resultOf = (err: unknown): TlsResult =>
  err instanceof WrongCertificate ? 'sts-webpki-invalid' : err instanceof NoPolicy ? 'sts-policy-invalid' : 'sts-policy-fetch-error'
