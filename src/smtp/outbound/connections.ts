/** Connections to other servers: opened host by host until one takes us, and kept for a moment for the next message that goes the same way. */
import type { Log } from '../../log.ts'
import type { AppliedPolicy, TlsFault } from '../../store/tls-sessions.ts'
import { type ClientOptions, SmtpClient } from './client.ts'
import { Failure, failureOf } from './failure.ts'
import type { Hop, Way } from './route.ts'
import { CLIENT_TIMEOUTS, type ClientTimeouts, Patience } from './timeouts.ts'
import { demandName } from './tls.ts'

/** Milliseconds that a connection may wait for its next message, and messages that one connection carries. */
const IDLE_MS = 5_000
const MAX_MESSAGES = 100
/** Addresses that are tried for one message: a domain of many dead hosts must not hold a place for an hour. */
const MAX_HOPS = 6
/** Nor must one whose hosts take connections and say nothing. Milliseconds; what is under way then may go on. */
const MAX_REACH_MS = 10 * 60_000
/** Of all that wait. */
const MAX_IDLE = 100

export interface Connected {
  readonly client: SmtpClient
  /** That it was made for. */
  readonly hop: Hop
  /** Messages that it has carried. */
  readonly messages: number
}

interface Idle extends Connected {
  readonly timer: NodeJS.Timeout
}

/** One connection, or one that was not to be, and what came of TLS. */
export interface TlsSession {
  readonly policy: AppliedPolicy
  readonly fault: TlsFault | undefined
  /** Our address; '' where there was no connection. */
  readonly from: string
  readonly host: string
  /** Its address; '' where there was no connection. */
  readonly address: string
}

export interface ConnectionsOptions {
  readonly hostname: string
  readonly timeouts?: Partial<ClientTimeouts> | undefined
  readonly localAddress?: string | undefined
  readonly log: Log
  /** Counts connections; must not throw. */
  readonly onTls?: ((session: TlsSession) => void) | undefined
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

  /** One that waits, and would be made as it was if it were made now; undefined where there is none. */
  async take(way: Way): Promise<Connected | undefined> {
    const { key } = way
    for (;;) {
      const idle = this.#idle.get(key)?.pop()
      if (!idle) {
        this.#idle.delete(key)
        return undefined
      }
      clearTimeout(idle.timer)
      this.#waiting--
      const { client, hop, messages } = idle
      this.#busy.add(client)
      if (client.usable && (!way.changes || (await stillHolds(way, hop))) && client.usable) return { client, hop, messages }
      this.#busy.delete(client)
      void client.quit()
    }
  }

  /** New ones, hop by hop: the caller asks for the next where one fails it. Ends when there is no more way; what was wrong with the last one is thrown then. */
  async *open(way: Way): AsyncGenerator<Connected, never> {
    let last: Failure | undefined
    let tried = 0
    const started = performance.now()
    const enough = (): boolean => tried >= MAX_HOPS || this.aborted || performance.now() - started > MAX_REACH_MS
    for (const host of way.hosts) {
      // Where it is takes its time to find out, too.
      if (enough()) break
      let hops: readonly Hop[] = []
      try {
        hops = await way.hops(host)
      } catch (err) {
        const failure = failureOf(err, host)
        if (failure.policy) this.#told({ policy: failure.policy, fault: failure.fault, from: '', host, address: '' })
        last = worse(last, failure)
      }
      for (const hop of hops) {
        if (enough()) break
        tried++
        try {
          const client = await this.#reach(hop)
          this.#busy.add(client)
          yield { client, hop, messages: 0 }
        } catch (err) {
          last = worse(last, failureOf(err, host))
        }
      }
    }
    throw last ?? new Failure('There is no host to send it to', { permanent: false, status: '4.4.4', elsewhere: true })
  }

  async #reach(hop: Hop): Promise<SmtpClient> {
    const { hostname, timeouts, localAddress, log } = this.#options
    const { policy, fault: before, ...to } = hop
    const options: ClientOptions = {
      ...{ ...to, hostname, ...(timeouts && { timeouts }), localAddress, signal: this.#abort.signal },
      patience: new Patience(timeouts?.begin ?? CLIENT_TIMEOUTS.begin),
      // What is wrong with the policy is told before what came of it.
      ...(policy && { onTls: ({ from, fault }) => this.#told({ policy, fault: before ?? fault, from, host: hop.host, address: hop.address }) }),
    }
    try {
      return await SmtpClient.open(options)
    } catch (err) {
      const failure = failureOf(err, hop.host)
      log.debug({ host: hop.host, address: hop.address, why: failure.said }, 'a mail server could not be reached')
      // Without TLS rather than not at all, where nobody asked for it (RFC 7435): its TLS may be broken. But no password goes in the clear.
      if (hop.tls.kind !== 'opportunistic' || hop.login || failure.status !== '4.7.5') throw failure
      log.info({ host: hop.host, why: failure.said }, 'TLS failed, going on without')
      return SmtpClient.open({ ...options, tls: { kind: 'none' }, onTls: undefined })
    }
  }

  #told(session: TlsSession): void {
    if (!this.aborted) this.#options.onTls?.(session)
  }

  /** Back, for the next message; closed where it has carried enough. */
  keep({ key }: Pick<Way, 'key'>, { client, hop, messages }: Connected): void {
    this.#busy.delete(client)
    if (!client.usable || this.aborted || messages >= MAX_MESSAGES || this.#waiting >= MAX_IDLE) return void client.quit()
    const waiting = this.#idle.get(key) ?? []
    const timer = setTimeout(() => {
      const at = waiting.findIndex((idle) => idle.client === client)
      if (at < 0) return
      waiting.splice(at, 1)
      this.#waiting--
      // Of a domain that nothing goes to any more nothing is kept.
      if (waiting.length === 0 && this.#idle.get(key) === waiting) this.#idle.delete(key)
      void client.quit()
    }, IDLE_MS).unref()
    waiting.push({ client, hop, messages, timer })
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

/** A policy that came or went meanwhile, another certificate that is demanded, a host that is the domain's no more: then a new one is made. */
async function stillHolds({ hosts, hops }: Way, { host, address, tls }: Hop): Promise<boolean> {
  if (!hosts.includes(host)) return false
  const now = await hops(host).catch(() => [])
  return now.some((hop) => hop.address === address && demandName(hop.tls) === demandName(tls))
}

/** Of two hosts' failures the one that leaves hope counts. */
const worse = (one: Failure | undefined, other: Failure): Failure => (one && !one.permanent ? one : other)
