/** Load balancers that are believed what they say of their clients: which ones, and how their word is taken from a connection. */
import type { Socket } from 'node:net'
import { Networks } from './address.ts'
import { BadProxyHeader, type ProxyHeader, parseProxyHeader } from './proxy.ts'

/** haproxy sends the header with the connection; proxy-protocol.txt §2 asks for 3 s at least, for a segment that is sent again. */
export const PROXY_HEADER_MS = 5_000
/** Connections that have not said whose they are. More than a burst that a kernel holds for us (`somaxconn`), no more than a server serves. */
export const MAX_AWAITING = 2_000
/** Between two lines in the log about headers that were refused. */
const COMPLAIN_MS = 60_000

export interface BalancersOptions {
  /** Addresses and networks. */
  readonly from: readonly string[]
  readonly headerMs?: number | undefined
  readonly maxAwaiting?: number | undefined
  readonly log: { warn(fields: object, message: string): void }
}

export class Balancers {
  readonly #networks: Networks
  readonly #options: BalancersOptions
  #awaiting = 0
  #refused = 0
  #complainedAt = Number.NEGATIVE_INFINITY

  constructor(options: BalancersOptions) {
    this.#networks = new Networks(options.from)
    this.#options = options
  }

  /** Whether connections from this address begin with a header: all of them, and no others. */
  has(remote: string): boolean {
    return this.#networks.has(remote)
  }

  /** The client's address; undefined: the balancer's own connection. Rejects where it is not told; the caller ends the connection. */
  async clientOf(socket: Socket, balancer: string): Promise<string | undefined> {
    const { headerMs = PROXY_HEADER_MS, maxAwaiting = MAX_AWAITING } = this.#options
    this.#awaiting++
    try {
      if (this.#awaiting > maxAwaiting) throw new BadProxyHeader('too many connections wait for their PROXY header')
      return (await readProxyHeader(socket, headerMs)).client
    } catch (err) {
      if (err instanceof BadProxyHeader) this.#complain(balancer, err.message)
      throw err
    } finally {
      this.#awaiting--
    }
  }

  #complain(balancer: string, why: string): void {
    this.#refused++
    const now = performance.now()
    if (now - this.#complainedAt < COMPLAIN_MS) return
    this.#complainedAt = now
    this.#options.log.warn({ balancer, why, refused: this.#refused }, 'connections of a load balancer are refused')
    this.#refused = 0
  }
}

/** Takes the header from the socket, and not an octet more. Rejects when it is none, when it does not come in time, and when the balancer left. */
export async function readProxyHeader(socket: Socket, withinMs: number): Promise<ProxyHeader> {
  const { promise, resolve, reject } = Promise.withResolvers<ProxyHeader>()
  let octets: Buffer = Buffer.alloc(0)
  const read = (): void => {
    const more = socket.read() as Buffer | null
    if (more === null) return
    octets = octets.length === 0 ? more : Buffer.concat([octets, more])
    try {
      const header = parseProxyHeader(octets)
      if (header === undefined) return
      // Before unshift, which makes the socket readable again.
      socket.off('readable', read)
      if (octets.length > header.length) socket.unshift(octets.subarray(header.length))
      resolve(header)
    } catch (err) {
      reject(err)
    }
  }
  const left = (): void => reject(new Error('the balancer left before it said whose connection it is'))
  const timer = setTimeout(() => reject(new BadProxyHeader('no PROXY header came in time')), withinMs)
  socket.on('readable', read)
  socket.once('end', left)
  socket.once('close', left)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.off('readable', read)
    socket.off('end', left)
    socket.off('close', left)
  }
}
