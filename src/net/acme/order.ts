/** One order, from the list of names to the certificate (RFC 8555 §7.4), by TLS-ALPN-01 alone. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import type { AcmeClient, Authorization, Order } from './client.ts'
import { makeRequest } from './csr.ts'
import { AuthorityTrouble, fieldsOf, Problem, wordsOf } from './problem.ts'

export interface OrderOptions {
  readonly client: AcmeClient
  readonly names: readonly string[]
  /** PEM of the certificate's key. */
  readonly key: string
  /** One that was begun for the same names, and perhaps not ended. */
  readonly begun?: string | undefined
  /** There is one: whoever goes on after us finds it there. */
  readonly placed: (url: string) => Promise<void>
  /** From when it resolves, everybody can answer for that name. */
  readonly challenged: (name: string, digest: Buffer) => Promise<void>
  /** How long the authority may take, altogether. Milliseconds. */
  readonly within?: number
  readonly pollMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Ordered {
  /** PEM, the host's own first. */
  readonly chain: string
}

/** Names that could not be proved, each with what the authority says. */
export class NamesRefused extends Error {
  override readonly name = 'NamesRefused'
  readonly names: ReadonlyMap<string, string>
  constructor(names: ReadonlyMap<string, string>) {
    super([...names].map(([name, why]) => `${name}: ${why}`).join('; '))
    this.names = names
  }
}

const WITHIN_MS = 5 * 60_000
const POLL_MS = 2_000
const MAX_POLL_MS = 15_000
/** Challenges that the authority looks at side by side. */
const AT_ONCE = 10

/** Rejects with NamesRefused, Problem, AuthorityTrouble. */
export async function obtain(o: OrderOptions): Promise<Ordered> {
  const { client, names, key } = o
  const until = performance.now() + (o.within ?? WITHIN_MS)
  let order = await placedOrder(o)
  if (order.status === 'pending') {
    await prove(order, o, until)
    order = await settled(order, { o, until, waits: ['pending'] })
  }
  if (order.status === 'ready') order = await client.finalize(order, makeRequest(names, key))
  order = await settled(order, { o, until, waits: ['processing', 'ready'] })
  if (order.status !== 'valid' || order.certificate === undefined) throw failed(order)
  const chain = await client.certificate(order.certificate)
  checkChain(chain, names, key)
  return { chain }
}

/** The one that was begun, if it can still come to something, else a new one. */
async function placedOrder({ client, names, begun, placed }: OrderOptions): Promise<Order> {
  if (begun !== undefined) {
    const found = await client.orderAt(begun).catch((err: unknown) => {
      // It is gone, or is another account's: RFC 8555 §7.1.6 lets it end at any time.
      if (err instanceof Problem && err.status >= 400 && err.status < 500 && err.type !== 'rateLimited') return undefined
      throw err
    })
    if (found && found.status !== 'invalid') return found
  }
  try {
    const order = await client.order(names)
    await placed(order.url)
    return order
  } catch (err) {
    const own = err instanceof Problem && err.type !== 'rateLimited' ? [...err.names].filter(([name]) => names.includes(name)) : []
    if (own.length > 0) throw new NamesRefused(new Map(own))
    throw err
  }
}

/** Has every name looked at. All of them are looked at before any failure is told, so that one order finds all names that fail. */
async function prove(order: Order, o: OrderOptions, until: number): Promise<void> {
  const refused = new Map<string, string>()
  const left = [...order.authorizations]
  const one = async (): Promise<void> => {
    for (let url = left.shift(); url !== undefined; url = left.shift()) {
      const { name, status, error } = await looked(url, o, until)
      if (status !== 'valid') refused.set(name, wordsOf(fieldsOf(error)['type'], fieldsOf(error)['detail']))
    }
  }
  // Not side by side with one nonce: the client asks for as many as it needs.
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, left.length) }, one))
  if (refused.size > 0) throw new NamesRefused(refused)
}

async function looked(url: string, o: OrderOptions, until: number): Promise<Authorization> {
  const { client, names, challenged, signal } = o
  let seen = await client.authorization(url)
  if (!names.includes(seen.name)) throw new AuthorityTrouble('the authority challenges us about a name that nobody ordered')
  if (seen.status !== 'pending') return seen
  const { challenge } = seen
  if (!challenge)
    throw new AuthorityTrouble(
      'the authority does not offer tls-alpn-01 (RFC 8737), by which alone Postern proves its names: use another one, or "tls.cert" and "tls.key"',
    )
  await challenged(seen.name, await client.digest(challenge))
  // Of an order that was begun it may be looking already.
  if (challenge.status !== 'processing') await client.respond(challenge)
  while (seen.status === 'pending') {
    await pause(seen.retryAt, o.pollMs, until, signal)
    seen = await client.authorization(url)
  }
  return seen
}

interface Waiting {
  readonly o: OrderOptions
  readonly until: number
  readonly waits: readonly string[]
}

async function settled(order: Order, { o, until, waits }: Waiting): Promise<Order> {
  let seen = order
  while (waits.includes(seen.status)) {
    await pause(seen.retryAt, o.pollMs, until, o.signal)
    seen = await o.client.orderAt(seen.url)
  }
  return seen
}

async function pause(at: number | undefined, pollMs = POLL_MS, until = 0, signal?: AbortSignal): Promise<void> {
  const asked = at === undefined ? pollMs : Math.min(Math.max(at - Date.now(), pollMs), MAX_POLL_MS)
  if (performance.now() + asked > until) throw new AuthorityTrouble('the authority does not come to an end with the order')
  await sleep(asked, undefined, { ...(signal && { signal }) })
}

const failed = ({ status, error }: Order): AuthorityTrouble =>
  new AuthorityTrouble(`the order ended as ${status}: ${wordsOf(fieldsOf(error)['type'], fieldsOf(error)['detail'])}`)

/** What came is for our key and names, and can be used. */
function checkChain(chain: string, names: readonly string[], key: string): void {
  try {
    const leaf = new X509Certificate(chain)
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('it is for another key')
    const missing = names.filter((name) => leaf.checkHost(name) === undefined)
    if (missing.length > 0) throw new Error(`it is not for ${missing.join(', ')}`)
    createSecureContext({ cert: chain, key })
  } catch (cause) {
    throw new AuthorityTrouble(`the certificate that the authority gave cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}
