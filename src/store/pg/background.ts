/**
 * What the store does when nobody waits: fold, trim, reap, index texts, make old structures anew, expunge what POP3 hid long enough ago, forget old counts. A process folds the mailboxes whose log grew
 * long by its own writes; one of the host's also sweeps, which finds what others wrote, and does all the rest. The locks see to it that no two do the same, so who it is matters for economy only.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { AccountId, MailboxId } from '../types.ts'
import { foldMailbox, mailboxesBehind } from './fold.ts'
import type { MailboxKey } from './indexes.ts'
import type { Pool } from './pool.ts'
import { reap } from './reaper.ts'
import { accountsToRenew, renewAccount } from './structure-renewal.ts'
import { accountsToIndex, indexAccount } from './text-index.ts'
import { forgetTlsDays } from './tls-sessions.ts'
import { trimLog } from './trim.ts'

/** How often it is looked for mailboxes whose log has grown by this many changes, counting what this process wrote. Milliseconds. */
const FOLD_INTERVAL = 1_000
const FOLD_FROM = 200
/** Mailboxes that are counted for; with more, those of before are left to the sweep. */
const MAX_COUNTED = 50_000
/** Every so many looks all mailboxes are compared and any log is folded, so that a cold load reads few changes whoever wrote them. */
const SWEEP_EVERY = 60
const REAP_INTERVAL = 60 * 60 * 1_000
/** How often it is looked for accounts with new texts to index, or with structures of an older version. */
const INDEX_INTERVAL = 60_000
/** How often it is looked for what POP3 hid `keep_days` ago. */
const EXPIRE_INTERVAL = 10 * 60_000
const STRUCTURES = 'structures could not be made anew'
const TEXTS = 'texts could not be indexed'

export interface Background {
  /** A mailbox's log grew by one change. */
  moved(account: AccountId, mailbox: MailboxId): void
  /** Whether it sweeps, reaps, indexes and expunges from now on. */
  sweeps(on: boolean): void
  stop(): Promise<void>
}

export interface BackgroundOptions {
  readonly pool: Pool
  /** In seconds. */
  readonly retention: number
  readonly log: Log
  /** Whether it begins with that. */
  readonly sweeps: boolean
  /** Milliseconds; INDEX_INTERVAL if absent. */
  readonly indexInterval?: number
  /** Expunges what POP3 hid long enough ago, while `goOn`. */
  readonly expire?: (goOn: () => boolean) => Promise<unknown>
  /** Milliseconds; EXPIRE_INTERVAL if absent. */
  readonly expireInterval?: number
}

export function startBackground(options: BackgroundOptions): Background {
  const { pool, retention, log, sweeps, indexInterval = INDEX_INTERVAL, expire = async () => {}, expireInterval = EXPIRE_INTERVAL } = options
  const stop = new AbortController()
  const grown = new Map<string, { key: MailboxKey; changes: number }>()
  let sweeping = sweeps
  let looks = 0
  const goOn = () => sweeping && !stop.signal.aborted
  const look = async () => {
    const long = [...grown].filter(([, { changes }]) => changes >= FOLD_FROM)
    for (const [name] of long) grown.delete(name)
    await foldAll(
      pool,
      long.map(([, { key }]) => key),
      stop.signal,
    )
    if (++looks % SWEEP_EVERY !== 0) return
    grown.clear()
    if (!sweeping) return
    for await (const behind of mailboxesBehind(pool)) {
      await foldAll(pool, behind, stop.signal)
      if (stop.signal.aborted || !sweeping) return
    }
  }
  const clean = async () => {
    if (sweeping) await forgetTlsDays(pool)
    if (sweeping) await reap(pool, retention, stop.signal)
  }
  const renew = async () => {
    if (sweeping)
      await onEach(accountsToRenew(pool), (account) => renewAccount(pool, account, { stop: stop.signal }), { log, goOn, what: STRUCTURES })
  }
  const index = async () => {
    if (sweeping) await onEach(accountsToIndex(pool), (account) => indexAccount(pool, account, { stop: stop.signal }), { log, goOn, what: TEXTS })
  }
  const end = async () => {
    if (sweeping) await expire(goOn)
  }
  const loops = [
    every(FOLD_INTERVAL, look, { stop: stop.signal, log }),
    every(REAP_INTERVAL, clean, { stop: stop.signal, log }),
    every(indexInterval, renew, { stop: stop.signal, log }),
    every(indexInterval, index, { stop: stop.signal, log }),
    every(expireInterval, end, { stop: stop.signal, log }),
  ]
  return {
    moved(account, mailbox) {
      const name = `${account}/${mailbox}`
      const entry = grown.get(name)
      if (entry) {
        entry.changes++
        return
      }
      if (grown.size >= MAX_COUNTED) grown.clear()
      grown.set(name, { key: { account, mailbox }, changes: 1 })
    },
    sweeps(on) {
      sweeping = on
    },
    async stop() {
      stop.abort()
      await Promise.all(loops)
    },
  }
}

async function foldAll(pool: Pool, keys: readonly MailboxKey[], stop: AbortSignal): Promise<void> {
  for (const key of keys) {
    while (!stop.aborted && (await foldMailbox(pool, key)) > 0);
    if (!stop.aborted) await trimLog(pool, key)
  }
}

/** Accounts one by one. What keeps one account from it is no reason to leave out the others. */
async function onEach(
  accounts: AsyncIterable<readonly AccountId[]>,
  work: (account: AccountId) => Promise<unknown>,
  { log, goOn, what }: { readonly log: Log; readonly goOn: () => boolean; readonly what: string },
): Promise<void> {
  for await (const due of accounts)
    for (const account of due) {
      if (!goOn()) return
      await work(account).catch((err: unknown) => {
        if (goOn()) log.warn({ err: err instanceof Error ? err.message : String(err), account }, `${what}; it is tried again`)
      })
    }
}

/** Runs `work` again and again with a pause between; what it throws is logged, and the next round tries anew. */
async function every(pause: number, work: () => Promise<void>, { stop, log }: { stop: AbortSignal; log: Log }): Promise<void> {
  while (!stop.aborted) {
    await sleep(pause, undefined, { signal: stop, ref: false }).catch(() => {})
    if (stop.aborted) return
    await work().catch((err: unknown) =>
      log.warn({ err: err instanceof Error ? err.message : String(err) }, 'background work failed; it is tried again'),
    )
  }
}
