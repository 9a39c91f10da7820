/** Connections to other servers: opened host by host until one takes us, and kept for a moment for the next message that goes the same way. */
import type { Log } from '../../log.ts'
import { type ClientOptions, type ClientTimeouts, SmtpClient } from './client.ts'
import { Failure, failureOf } from './failure.ts'
import type { Hop, Way } from './route.ts'

/** Milliseconds that a connection may wait for its next message, and messages that one connection carries. */
const IDLE_MS = 5_000
const MAX_MESSAGES = 100
/** Addresses that are tried for one message: a domain of many dead hosts must not hold a place for an hour. */
const MAX_HOPS = 6
/** Of all that wait. */
const MAX_IDLE = 100

interface Idle {
  readonly client: SmtpClient
  readonly messages: number
  readonly timer: NodeJS.Timeout
}

export interface Connected {
  readonly client: SmtpClient
  /** Messages that it has carried. */
  readonly messages: number
}

export interface ConnectionsOptions {
  readonly hostname: string
  readonly timeouts?: Partial<ClientTimeouts> | undefined
  readonly localAddress?: string | undefined
  readonly log: Log
}

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #idle = new Map<string, Idle[]>()
  /** In somebody's hands. */
  readonly #busy = new Set<SmtpClient>()
  #waiting = 0
  readonly #abort = new AbortController()

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** One that waits; undefined where there is none. */
  take({ key }: Pick<Way, 'key'>): Connected | undefined {
    for (;;) {
      const idle = this.#idle.get(key)?.pop()
      if (!idle) {
        this.#idle.delete(key)
        return undefined
      }
      clearTimeout(idle.timer)
      this.#waiting--
      if (idle.client.usable) {
        this.#busy.add(idle.client)
        return { client: idle.client, messages: idle.messages }
      }
      idle.client.close()
    }
  }

  /** New ones, hop by hop: the caller asks for the next where one fails it. Ends when there is no more way; what was wrong with the last one is thrown then. */
  async *open(way: Way): AsyncGenerator<Connected, never> {
    let last: Failure | undefined
    let tried = 0
    for (const host of way.hosts) {
      let hops: readonly Hop[] = []
      try {
        hops = await way.hops(host)
      } catch (err) {
        last = worse(last, failureOf(err, host))
      }
      for (const hop of hops) {
        if (tried++ >= MAX_HOPS || this.aborted) break
        try {
          const client = await this.#reach(hop)
          this.#busy.add(client)
          yield { client, messages: 0 }
        } catch (err) {
          last = worse(last, failureOf(err, host))
        }
      }
    }
    throw last ?? new Failure('There is no host to send it to', { permanent: false, status: '4.4.4', elsewhere: true })
  }

  async #reach(hop: Hop): Promise<SmtpClient> {
    const { hostname, timeouts, localAddress, log } = this.#options
    const options: ClientOptions = { ...hop, hostname, ...(timeouts && { timeouts }), localAddress, signal: this.#abort.signal }
    try {
      return await SmtpClient.open(options)
    } catch (err) {
      const failure = failureOf(err, hop.host)
      log.debug({ host: hop.host, address: hop.address, why: failure.said }, 'a mail server could not be reached')
      // Without TLS rather than not at all, where nobody asked for it (RFC 7435): its TLS may be broken.
      if (hop.tls.kind !== 'opportunistic' || failure.status !== '4.7.5') throw failure
      log.info({ host: hop.host, why: failure.said }, 'TLS failed, going on without')
      return SmtpClient.open({ ...options, tls: { kind: 'none' } })
    }
  }

  /** Back, for the next message; closed where it has carried enough. */
  keep({ key }: Pick<Way, 'key'>, { client, messages }: Connected): void {
    this.#busy.delete(client)
    if (!client.usable || this.aborted || messages >= MAX_MESSAGES || this.#waiting >= MAX_IDLE) return void client.quit()
    const waiting = this.#idle.get(key) ?? []
    const timer = setTimeout(() => {
      const at = waiting.findIndex((idle) => idle.client === client)
      if (at < 0) return
      waiting.splice(at, 1)
      this.#waiting--
      void client.quit()
    }, IDLE_MS).unref()
    waiting.push({ client, messages, timer })
    this.#idle.set(key, waiting)
    this.#waiting++
  }

  /** Everything under way was cut off: nothing is to be read from what failed since. */
  get aborted(): boolean {
    return this.#abort.signal.aborted
  }

  /** Cuts off what is under way. */
  abort(): void {
    this.#abort.abort()
    for (const client of this.#busy) client.close()
    this.#busy.clear()
  }

  close(): void {
    for (const waiting of this.#idle.values())
      for (const { client, timer } of waiting) {
        clearTimeout(timer)
        void client.quit()
      }
    this.#idle.clear()
    this.#waiting = 0
  }
}

/** Of two hosts' failures the one that leaves hope counts. */
const worse = (one: Failure | undefined, other: Failure): Failure => (one && !one.permanent ? one : other)
