/** The queue on Postgres. */
import type { Bus } from '../../bus.ts'
import type { Queue } from '../../queue.ts'
import type { Lives } from '../lives.ts'
import type { Pool } from '../pool.ts'
import type { Staged } from '../stage.ts'
import type { Transactor } from '../tx.ts'
import { drop, hold, list, release, retry } from './admin.ts'
import { claim, noteDot, renew, resume, suspend } from './claim.ts'
import { freeDead, freeLost, ownerOf } from './dead.ts'
import { due, isCrowded } from './due.ts'
import { Enqueuer, QUEUE_TOPIC } from './enqueue.ts'
import { claimReport, expire, reported, settle } from './settle.ts'

export interface PgQueue extends Queue {
  close(): Promise<void>
}

export interface QueueParts {
  readonly pool: Pool
  readonly bus: Bus
  readonly transactor: Transactor
  /** None: what a dead process has claimed is waited out. */
  readonly lives?: Lives | undefined
}

export function createQueue({ pool, bus, transactor, lives }: QueueParts): PgQueue {
  const named = (owner: string): string => ownerOf(owner, lives)
  const enqueuer = new Enqueuer(pool, transactor)
  return {
    enqueue: (a, content, mail, attempt) => enqueuer.enqueue(a, content as Staged, mail, attempt),
    sent: (account) => enqueuer.sent(account),
    due: (limit, domains, accounts) => due(pool, limit, domains, accounts),
    isCrowded: () => isCrowded(pool),
    claim: (of, owner, doubt) => claim(pool, of, { owner: named(owner), doubt }),
    renew: (claims, owner) => renew(pool, claims, named(owner)),
    noteDot: ({ bucket }, recipients, owner) => noteDot(pool, { bucket, recipients }, named(owner)),
    settle: (of, outcomes, owner) => settle(pool, of, outcomes, named(owner)),
    suspend: async (of, said, seconds) => void (await suspend(pool, of, said, seconds)),
    resume: async (of) => void (await resume(pool, of)),
    freeDead: async () => (lives ? freeDead(pool, lives) : 0),
    freeLost: (known, owner) => freeLost(pool, known, named(owner)),
    expire: () => expire(pool),
    claimReport: (owner) => claimReport(pool, named(owner)),
    reported: (report, owner) => reported(pool, report, named(owner)),
    list: (query) => list(pool, query),
    hold: (query) => hold(pool, query),
    release: (query) => release(pool, query),
    retry: (query) => retry(pool, query),
    drop: (query, tell) => drop(pool, query, tell),
    watch: (heard) => bus.watch(QUEUE_TOPIC, heard),
    close: () => enqueuer.close(),
  }
}
