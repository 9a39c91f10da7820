/** What all clients of the load share: whom they write to, where the hosts are, when they may act, and how they come back. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ledger } from '../../support/ledger.ts'
import type { Where } from '../wire.ts'

export const PASSWORD = 'correct-horse-battery'
export const DOMAIN = 'example.test'
export const BOXES = ['INBOX', 'Archive'] as const
/** Nobody writes to it: its sessions only ask how the server is. */
export const BYSTANDER = 'bystander'
export const address = (user: string): string => `${user}@${DOMAIN}`

/** One Postern as the load sees it. `where` throws Lost while it is down. */
export interface Host {
  readonly name: string
  where(service: 'mx' | 'submissions' | 'imaps' | 'pop3s'): Where
}

export interface Load {
  readonly ledger: Ledger
  readonly hosts: readonly Host[]
  readonly users: readonly string[]
  readonly gate: Gate
  readonly stop: AbortSignal
  readonly random: (n: number) => number
  /** Remote mail has a way out. */
  readonly relay: boolean
  /** Pauses of the clients are multiplied by this. */
  readonly pace: number
  /** What went wrong in words that nobody expected, and how often. */
  readonly odd: Map<string, number>
}

/** Who may take a message away: everybody may read and flag it, but only one client removes or moves it, so that the ledger knows. */
export type Owner = 'pop3' | 'writer0' | 'writer1'
const OWNERS: readonly Owner[] = ['pop3', 'writer0', 'writer1']
export const ownerOf = (token: string): Owner => OWNERS[Number(/^t(\d+)/.exec(token)?.[1] ?? 0) % OWNERS.length]!

/** Lets clients act, or holds them back between two acts so that the house is quiet. */
export class Gate {
  #busy = 0
  #opened: PromiseWithResolvers<void> | undefined
  #quiet: PromiseWithResolvers<void> | undefined

  async run<T>(act: () => Promise<T>): Promise<T> {
    while (this.#opened) await this.#opened.promise
    this.#busy++
    try {
      return await act()
    } finally {
      if (--this.#busy === 0) this.#quiet?.resolve()
    }
  }

  /** Resolves when everybody has finished what they were at. */
  async close(): Promise<void> {
    this.#opened ??= Promise.withResolvers()
    if (this.#busy === 0) return
    this.#quiet ??= Promise.withResolvers()
    await this.#quiet.promise
    this.#quiet = undefined
  }

  open(): void {
    this.#opened?.resolve()
    this.#opened = undefined
  }

  get closed(): boolean {
    return this.#opened !== undefined
  }
}

export const pick = <T>(random: (n: number) => number, from: readonly T[]): T => from[random(from.length)]!

/** Milliseconds times the pace, or less when the load ends. */
export async function pause({ stop, pace }: Pick<Load, 'stop' | 'pace'>, ms: number): Promise<void> {
  await sleep(ms * pace, undefined, { signal: stop }).catch(() => {})
}

const FIRST_BACKOFF = 50
const LONGEST_BACKOFF = 1_000

/** Runs `session` again and again; what ends one is noted, and the next begins after a small back-off. `session` says `well` when it got somewhere. */
export async function reconnecting(load: Load, name: string, session: (well: () => void) => Promise<void>): Promise<void> {
  let wait = FIRST_BACKOFF
  while (!load.stop.aborted) {
    try {
      await session(() => {
        wait = FIRST_BACKOFF
      })
    } catch (err) {
      if (!(err instanceof Error)) throw err
      // The end of a connection is what this is all about; anything else may be worth reading.
      if (err.name !== 'Lost') note(load, `${name}: ${err.message}`)
    }
    await pause(load, wait * (0.5 + load.random(100) / 100))
    wait = Math.min(wait * 2, LONGEST_BACKOFF)
  }
}

const MAX_ODD = 200

export function note({ odd }: Pick<Load, 'odd'>, what: string): void {
  // Numbers and names differ from one time to the next.
  const key = what.replace(/\bt\d+-\w+|\d+/g, '#').slice(0, 160)
  if (odd.size < MAX_ODD || odd.has(key)) odd.set(key, (odd.get(key) ?? 0) + 1)
}
