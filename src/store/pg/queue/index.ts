/** The queue on Postgres. */
import type { Bus } from '../../bus.ts'
import type { Queue } from '../../queue.ts'
import type { Pool } from '../pool.ts'
import type { Staged } from '../stage.ts'
import type { Transactor } from '../tx.ts'
import { drop, hold, list, release, retry } from './admin.ts'
import { claim, noteDot, renew, resume, suspend } from './claim.ts'
import { due, isCrowded } from './due.ts'
import { Enqueuer, QUEUE_TOPIC } from './enqueue.ts'
import { claimReport, expire, reported, settle } from './settle.ts'

export interface PgQueue extends Queue {
  close(): Promise<void>
}

export function createQueue({ pool, bus, transactor }: { pool: Pool; bus: Bus; transactor: Transactor }): PgQueue {
  const enqueuer = new Enqueuer(pool, transactor)
  return {
    enqueue: (a, content, mail, attempt) => enqueuer.enqueue(a, content as Staged, mail, attempt),
    sent: (account) => enqueuer.sent(account),
    due: (limit, domains, accounts) => due(pool, limit, domains, accounts),
    isCrowded: () => isCrowded(pool),
    claim: (of, owner) => claim(pool, of, owner),
    renew: (claims, owner) => renew(pool, claims, owner),
    noteDot: ({ bucket }, recipients, owner) => noteDot(pool, { bucket, recipients }, owner),
    settle: (of, outcomes, owner) => settle(pool, of, outcomes, owner),
    suspend: async (of, said, seconds) => void (await suspend(pool, of, said, seconds)),
    resume: async (of) => void (await resume(pool, of)),
    expire: () => expire(pool),
    claimReport: (owner) => claimReport(pool, owner),
    reported: (report, owner) => reported(pool, report, owner),
    list: (query) => list(pool, query),
    hold: (query) => hold(pool, query),
    release: (query) => release(pool, query),
    retry: (query) => retry(pool, query),
    drop: (query, tell) => drop(pool, query, tell),
    watch: (heard) => bus.watch(QUEUE_TOPIC, heard),
    close: () => enqueuer.close(),
  }
}
