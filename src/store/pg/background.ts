/** What the store does when nobody waits: fold, trim, reap. Every process does it; the locks see to it that no two do the same. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { AccountId, MailboxId } from '../types.ts'
import { foldMailbox, mailboxesToFold } from './fold.ts'
import type { MailboxKey } from './indexes.ts'
import type { Pool } from './pool.ts'
import { reap } from './reaper.ts'
import { trimLog } from './trim.ts'

/** How often it is looked for mailboxes whose log has grown by this many changes, counting what this process wrote. Milliseconds. */
const FOLD_INTERVAL = 1_000
const FOLD_FROM = 200
/** Every so many looks all mailboxes are compared and any log is folded, so that a cold load reads few changes whoever wrote them. */
const SWEEP_EVERY = 60
const SWEEP_AT_ONCE = 200
const REAP_INTERVAL = 60 * 60 * 1_000

export interface Background {
  /** A mailbox's log grew by one change. */
  moved(account: AccountId, mailbox: MailboxId): void
  stop(): Promise<void>
}

/** `retention` in seconds. */
export function startBackground({ pool, retention, log }: { pool: Pool; retention: number; log: Log }): Background {
  const stop = new AbortController()
  const grown = new Map<string, { key: MailboxKey; changes: number }>()
  let looks = 0
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
    await foldAll(pool, await mailboxesToFold(pool, SWEEP_AT_ONCE), stop.signal)
  }
  const loops = [
    every(FOLD_INTERVAL, look, { stop: stop.signal, log }),
    every(REAP_INTERVAL, () => reap(pool, retention, stop.signal), { stop: stop.signal, log }),
  ]
  return {
    moved(account, mailbox) {
      const name = `${account}/${mailbox}`
      const entry = grown.get(name)
      if (entry) entry.changes++
      else grown.set(name, { key: { account, mailbox }, changes: 1 })
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
