/** Posts a report to a web server, as careful as what a stranger named has to be asked: RFC 8460 §5.4. */
import type { Dns } from '../../../net/dns/dns.ts'
import { addressesOf } from '../mx.ts'
import { askWeb } from '../web.ts'
import { MEDIA_TYPE } from './report.ts'

const DEADLINE_MS = 30_000
/** Octets of an answer that are read. */
const MAX_ANSWER = 64 * 1024

export interface PostOptions {
  readonly dns: Dns
  readonly privateAddresses?: boolean
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly port?: number
  /** Milliseconds. */
  readonly deadline?: number
  /** Gives up what is under way. */
  readonly stop?: AbortSignal
}

/** Throws an Error with words on why it was not taken. One address is asked: two might both take it. */
export async function postReport(
  body: Buffer,
  { host, path }: { readonly host: string; readonly path: string },
  options: PostOptions,
): Promise<void> {
  const { ca, port, deadline = DEADLINE_MS, stop } = options
  const signal = AbortSignal.any([AbortSignal.timeout(deadline), ...(stop ? [stop] : [])])
  const { addresses } = await addressesOf(host, options)
  const [address] = addresses
  const response = await askWeb({ host, address: address!, port, path, headers: { 'content-type': MEDIA_TYPE }, body, signal, ca })
  const status = response.statusCode ?? 0
  let octets = 0
  try {
    // A server whose answer nobody reads may think that nobody is there.
    for await (const chunk of response as AsyncIterable<Buffer>) if ((octets += chunk.length) > MAX_ANSWER) break
  } catch {
    // The status is all that counts.
  }
  response.destroy()
  if (status < 200 || status > 299) throw new Error(`${host} answers ${status}`)
}
