/** Counts what comes of TLS, and writes it down now and then: sending never waits for it. What was counted since the last time is lost with the process. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../../log.ts'
import type { AppliedPolicy, TlsCount, TlsSessions } from '../../../store/tls-sessions.ts'
import type { TlsSession } from '../connections.ts'
import { isPrivate } from '../mx.ts'

const FLUSH_MS = 30_000
/** Ways that sessions went, since the last time; more are not counted. */
const MAX_WAYS = 5_000
/** Written at once. */
const BATCH = 500
/** Characters of a reason, and of all strings of a policy. */
const MAX_REASON = 200
const MAX_POLICY = 4_096

export interface TallyOptions {
  readonly sessions: Pick<TlsSessions, 'count'>
  /** Whether our own address is told though no public server has it. */
  readonly privateAddresses?: boolean
  readonly log: Log
  readonly now?: () => number
  /** Milliseconds; FLUSH_MS if absent. */
  readonly flush?: number
}

export class TlsTally {
  readonly #o: TallyOptions
  readonly #stop = new AbortController()
  #ways = new Map<string, TlsCount>()
  #loop: Promise<void> = Promise.resolve()

  constructor(options: TallyOptions) {
    this.#o = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** Never throws. */
  note({ policy, fault, from, host, address }: TlsSession): void {
    const { now = Date.now, privateAddresses = false } = this.#o
    const day = new Date(now()).toISOString().slice(0, 10)
    const local = plainAddress(from)
    const sendingIp = local === '' || (isPrivate(local) && !privateAddresses) ? '' : local
    const result = fault?.result
    // Of what went well nobody asks where.
    const where = result === undefined ? { sendingIp: '', mxHost: '', receivingIp: '' } : { sendingIp, mxHost: printable(host), receivingIp: address }
    this.#add({ day, policy: bounded(policy), result, reason: printable(fault?.reason ?? '').slice(0, MAX_REASON), ...where, sessions: 1 })
  }

  #add(count: TlsCount): void {
    const { day, policy, result, sendingIp, mxHost, receivingIp } = count
    const key = JSON.stringify([day, policy, result, sendingIp, mxHost, receivingIp])
    const known = this.#ways.get(key)
    if (known || this.#ways.size < MAX_WAYS) this.#ways.set(key, { ...count, sessions: count.sessions + (known?.sessions ?? 0) })
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await sleep(this.#o.flush ?? FLUSH_MS, undefined, { signal, ref: false }).catch(() => {})
      await this.#flush()
    }
  }

  async #flush(): Promise<void> {
    const counts = [...this.#ways.values()]
    this.#ways = new Map()
    for (let at = 0; at < counts.length; at += BATCH) {
      const batch = counts.slice(at, at + BATCH)
      try {
        await this.#o.sessions.count(batch)
      } catch (err) {
        // Whether it was written nobody knows: rather too few than twice.
        this.#o.log.warn({ err: err instanceof Error ? err.message : String(err), ways: batch.length }, 'what came of TLS could not be written down')
      }
    }
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#loop
    await this.#flush()
  }
}

/** IPv4 within IPv6 as what it is. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '')

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')

function bounded(policy: AppliedPolicy): AppliedPolicy {
  const cut = (strings: readonly string[]): string[] => {
    let left = MAX_POLICY
    return strings.map(printable).filter((text) => (left -= text.length) >= 0)
  }
  return { ...policy, strings: cut(policy.strings), mx: cut(policy.mx) }
}
