/** Orders certificates by ACME for this host's name: one process at a time, of all that share the database. */
import { randomBytes } from 'node:crypto'
import { hostname as machine } from 'node:os'
import type { Config } from '../../config/schema.ts'
import type { Log } from '../../log.ts'
import { AcmeClient } from '../../net/acme/client.ts'
import { makeKey } from '../../net/acme/csr.ts'
import { createWeb } from '../../net/acme/http.ts'
import { NamesRefused, obtain } from '../../net/acme/order.ts'
import { Problem } from '../../net/acme/problem.ts'
import type { Dns } from '../../net/dns/dns.ts'
import type { AcmeState, AcmeStore } from '../../store/acme.ts'
import { authorityOf } from '../certificate.ts'
import { type Due, dueOf, nextTryOf, type Wish } from './due.ts'
import { leadingNames } from './names.ts'

export interface OrdererOptions {
  readonly store: AcmeStore
  readonly dns: Dns
  readonly hostname: string
  readonly configFile: string
  readonly log: Log
  readonly now?: () => number
  /** How long others wait for one that died within an order. Seconds. */
  readonly holdSeconds?: number
  readonly pollMs?: number
}

type Acme = NonNullable<NonNullable<Config['tls']>['acme']>

const HOLD_SECONDS = 60
/** Whether more names lead here is asked so often. */
const NAMES_MS = 10 * 60_000
/** A name that could not be proved is left out of the next orders. */
export const LEFT_OUT_MS = 24 * 3600_000
/** Of one attempt: each after names that failed were left out. */
const MAX_ROUNDS = 3
/** An authority looks within minutes of our word. */
const CHALLENGE_SECONDS = 3600
const LOUD_FAILURES = 3
const MAX_TROUBLE = 1_000

export class Orderer {
  readonly #o: OrdererOptions
  readonly #by = `${machine()} ${process.pid} ${randomBytes(8).toString('hex')}`
  readonly #stop = new AbortController()
  #namesAsked = Number.NEGATIVE_INFINITY
  #namesOf = ''

  constructor(o: OrdererOptions) {
    this.#o = o
  }

  /** What is under way ends; the next process goes on with it. */
  stop(): void {
    this.#stop.abort()
  }

  /** Orders what is due, if nobody else does. Rejects when the database is away. */
  async look(config: Config, state: AcmeState | undefined): Promise<void> {
    const acme = config.tls?.acme
    if (!acme || this.#stop.signal.aborted) return
    const { store, hostname } = this.#o
    const due = this.#due(state, acme)
    if (!due || (due.kind === 'more' && !(await this.#lacks(config, state!)))) return
    const { holdSeconds: seconds = HOLD_SECONDS } = this.#o
    const held = await store.hold(hostname, this.#by, { seconds, key: makeKey() })
    if (!held) return
    const lost = new AbortController()
    const keeping = setInterval(
      () => {
        const gone = (): void => lost.abort()
        store.keep(hostname, this.#by, seconds).then((mine) => void (mine || gone()), gone)
      },
      (seconds * 1000) / 3,
    ).unref()
    try {
      // Another one may have been faster.
      const still = this.#due(held, acme)
      if (still) await this.#attempt(config, acme, { held, due: still, signal: AbortSignal.any([this.#stop.signal, lost.signal]) })
    } finally {
      clearInterval(keeping)
      await store.release(hostname, this.#by)
    }
  }

  #due(state: AcmeState | undefined, acme: Acme): Due {
    return dueOf(state, this.#wish(acme), this.#now())
  }

  #wish({ directory, email = '', external_account: external }: Acme): Wish {
    return { hostname: this.#o.hostname, directory, settings: [directory, email, external?.kid ?? ''].join(' ') }
  }

  #now(): number {
    return this.#o.now?.() ?? Date.now()
  }

  /** Whether names lead here that the certificate has not. Asked now and then, and when other names are configured. */
  async #lacks(config: Config, state: AcmeState): Promise<boolean> {
    const of = JSON.stringify([config.domains, config.tls])
    if (this.#namesOf === of && performance.now() - this.#namesAsked < NAMES_MS) return false
    this.#namesOf = of
    this.#namesAsked = performance.now()
    const { names } = await this.#names(config, state)
    return names.some((name) => !state.certificate!.names.includes(name))
  }

  async #names(
    config: Config,
    { refused, certificate }: AcmeState,
    more: readonly string[] = [],
  ): Promise<{ names: readonly string[]; over: number }> {
    const { dns, hostname } = this.#o
    const without = new Set([...refused.map(({ name }) => name), ...more])
    return leadingNames({ config, hostname, dns, without, had: certificate?.names ?? [] })
  }

  async #attempt(config: Config, acme: Acme, { held, due, signal }: { held: AcmeState; due: Due; signal: AbortSignal }): Promise<void> {
    const { store, hostname, log } = this.#o
    const challenged: string[] = []
    try {
      await this.#rounds(config, acme, { held, due, signal, challenged })
    } catch (err) {
      if (signal.aborted) return
      const failures = held.failures + 1
      const retryAt = err instanceof Problem ? err.retryAt : undefined
      const trouble = (err instanceof Error ? err.message : String(err)).slice(0, MAX_TROUBLE)
      const nextTry = nextTryOf(failures, this.#now(), retryAt)
      await store.failed(hostname, this.#by, { trouble, settings: this.#wish(acme).settings, nextTry })
      const said = { reason: trouble, failures, next: new Date(nextTry).toISOString() }
      log[failures >= LOUD_FAILURES ? 'error' : 'warn'](said, 'no certificate came by ACME: it is tried again')
    } finally {
      if (challenged.length > 0 && !signal.aborted) await store.answered(challenged)
    }
  }

  async #rounds(config: Config, acme: Acme, o: { held: AcmeState; due: Due; signal: AbortSignal; challenged: string[] }): Promise<void> {
    const { store, hostname, log, configFile, pollMs } = this.#o
    const { held, due, signal } = o
    const { ca, external } = authorityOf(acme, configFile)
    const key = await store.accountKey(acme.directory, external?.kid ?? '', makeKey())
    const client = new AcmeClient(createWeb({ ca, signal }), acme.directory, { key, email: acme.email, external })
    await client.login()
    const failed: string[] = []
    for (let round = 1; ; round++) {
      const { names, over } = await this.#names(config, held, failed)
      if (over > 0) log.warn({ names: over }, 'not all names that lead here fit into a certificate: these are left out')
      // For a name that cannot be proved nothing is ordered once more that is there already.
      if (due?.kind === 'more' && names.every((name) => held.certificate?.names.includes(name))) return
      log.info({ names, directory: acme.directory }, 'ordering a certificate')
      const { order } = held
      const same = round === 1 && order?.directory === acme.directory && order.names.join(' ') === names.join(' ')
      try {
        const { chain } = await obtain({
          ...{ client, names, key: held.key, signal, pollMs, begun: same ? order.url : undefined },
          placed: async (url) => void (await store.placed(hostname, this.#by, { url, directory: acme.directory, names })),
          challenged: async (name, digest) => {
            o.challenged.push(name)
            await store.challenge(name, digest, CHALLENGE_SECONDS)
          },
        })
        if (await store.issued(hostname, this.#by, { chain, directory: acme.directory, names })) log.info({ names }, 'a certificate came by ACME')
        return
      } catch (err) {
        // Where the host's own name fails too, the reason is most likely here, and the others' as well.
        if (!(err instanceof NamesRefused) || err.names.has(hostname)) throw err
        const until = Date.now() + LEFT_OUT_MS
        await store.refuse(
          hostname,
          [...err.names].map(([name, why]) => ({ name, why, until })),
        )
        if (round === MAX_ROUNDS) throw err
        failed.push(...err.names.keys())
        log.warn({ names: Object.fromEntries(err.names) }, 'names that could not be proved to the authority: they are left out for a day')
      }
    }
  }
}
