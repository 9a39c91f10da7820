/**
 * Leases on Postgres's clock, one statement each. A row stays when its lease ends, so that its epoch never begins anew. What a dead process holds (lives.ts) is as good as free.
 *
 * Nobody waits for the disk: a crash of Postgres may forget the last moments of them. A holder whose lease was forgotten changes nothing any more, as one whose lease ran
 * out, since the fence asks for his row, and his name is nobody else's; a release that was forgotten is said again, when there is a connection again.
 */
import { randomBytes } from 'node:crypto'
import type { MailboxAccess } from '../access.ts'
import { Refusal, Unavailable } from '../errors.ts'
import { LEASE_SECONDS, type Lease, type Leases } from '../lease.ts'
import { int4Array, int8Array } from './arrays.ts'
import { type Lives, lifeOf } from './lives.ts'
import type { Pool } from './pool.ts'
import type { Param, Statement } from './rows.ts'

const WITHOUT_DISK = "select set_config('synchronous_commit', 'off', true)"

// clock_timestamp, not now: a statement that waited for the row must not count from when it began.
const TAKE = `with quick as (${WITHOUT_DISK})
         insert into lease as l (account_id, mailbox_id, owner, expires_at)
         select $1::int8, $2::int4, $3, clock_timestamp() + make_interval(secs => $4) from quick
         on conflict (account_id, mailbox_id) do update
         set owner = excluded.owner, epoch = l.epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $4)
         where l.expires_at < clock_timestamp() or l.owner = excluded.owner`
const ACQUIRE: Statement = { name: 'lease_acquire', text: `${TAKE} returning epoch` }
// From a process that is still dead.
const TAKE_OVER: Statement = {
  name: 'lease_take_over',
  text: `${TAKE} or case when l.owner = $5 then pg_try_advisory_xact_lock($6) else false end returning epoch`,
}
const HOLDER: Statement = { name: 'lease_holder', text: 'select owner from lease where account_id = $1 and mailbox_id = $2' }

const LOST: Statement = {
  name: 'lease_lost',
  text: `select g.owner from unnest($1::int8[], $2::int4[], $3::text[]) g(account_id, mailbox_id, owner)
         where not exists (select 1 from lease l where l.account_id = g.account_id and l.mailbox_id = g.mailbox_id and l.owner = g.owner and l.expires_at > '-infinity')`,
}

// A lease that ran out and that nobody took is still this holder's: its epoch stands. One that was released is not.
const RENEW: Statement = {
  name: 'lease_renew',
  text: `with quick as (${WITHOUT_DISK})
         update lease set expires_at = clock_timestamp() + make_interval(secs => $5) from quick
         where account_id = $1 and mailbox_id = $2 and owner = $3 and epoch = $4 and expires_at > '-infinity' returning 1`,
}

const RELEASE: Statement = {
  name: 'lease_release',
  text: `with quick as (${WITHOUT_DISK})
         update lease set expires_at = '-infinity' from quick where account_id = $1 and mailbox_id = $2 and owner = $3 and epoch = $4`,
}

/** Postgres forgets less than a second of them (three times its wal_writer_delay). One process ends no more sessions than that in so long. */
const MAX_RELEASED = 1_024
const RELEASE_ALL: Statement = {
  name: 'lease_release_all',
  text: `update lease l set expires_at = '-infinity' from unnest($1::int8[], $2::int4[], $3::text[]) g(account_id, mailbox_id, owner)
         where l.account_id = g.account_id and l.mailbox_id = g.mailbox_id and l.owner = g.owner and l.expires_at > '-infinity'`,
}

export interface LeasesOptions {
  /** LEASE_SECONDS if absent. */
  readonly seconds?: number
  /** None: no other process can see whether this one lives, and every lease is waited out. */
  readonly lives?: Lives | undefined
}

export function createLeases(pool: Pool, { seconds = LEASE_SECONDS, lives }: LeasesOptions = {}): Leases {
  const fence = ({ account, mailbox, owner, epoch }: Lease) => [account, mailbox, owner, epoch] as const
  const watched = new Map<string, { readonly lease: Lease; readonly lost: () => void }>()
  const released: Lease[] = []
  pool.onRegained(() => {
    // While this process had no connection it may have been taken for dead.
    void tellLost(pool, watched).catch(() => {})
    void releaseAgain(pool, released).catch(() => {})
  })

  return {
    async acquire(m) {
      const owner = randomBytes(16).toString('hex') + (lives ? `.${lives.own}` : '')
      const ask = async (statement: Statement, ...more: Param[]): Promise<Lease | undefined> => {
        let lease: Lease | undefined
        const { account, mailbox } = m
        await twice(() =>
          pool.rows(statement, [account, mailbox, owner, seconds, ...more], (row) => {
            lease = { account, mailbox, epoch: row.long(), owner }
          }),
        )
        return lease
      }
      const lease = (await ask(ACQUIRE)) ?? (lives && (await takeOver(pool, m, { lives, ask })))
      if (!lease) throw new Refusal('in-use', 'the maildrop is in use by another session')
      return lease
    },
    renew: async (lease) => (await pool.rows(RENEW, [...fence(lease), seconds])) === 1,
    watch(lease, lost) {
      watched.set(lease.owner, { lease, lost })
      return () => void watched.delete(lease.owner)
    },
    async release(lease) {
      if (released.push(lease) > MAX_RELEASED) released.shift()
      // One connection that ended must not keep the maildrop locked.
      await twice(() => pool.rows(RELEASE, fence(lease)))
    },
  }
}

/** It may have been done and the answer lost: harmless twice, as the same owner is given a lease again. */
async function twice(ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask()
  } catch (err) {
    if (!(err instanceof Unavailable)) throw err
    await ask()
  }
}

interface TakingOver {
  readonly lives: Lives
  readonly ask: (statement: Statement, ...more: Param[]) => Promise<Lease | undefined>
}

/** Where its holder is dead. */
async function takeOver(pool: Pool, { account, mailbox }: MailboxAccess, { lives, ask }: TakingOver): Promise<Lease | undefined> {
  let holder = ''
  await pool.rows(HOLDER, [account, mailbox], (row) => {
    holder = row.text()
  })
  const life = lifeOf(holder)
  if (life === undefined || !(await lives.isOver(pool, life))) return undefined
  // Somebody else may look at this very moment, and have the lock for that.
  return (await ask(TAKE_OVER, holder, life)) ?? (await ask(TAKE_OVER, holder, life))
}

const columnsOf = (leases: readonly Lease[]): Param[] => [
  int8Array(leases.map(({ account }) => account)),
  int4Array(leases.map(({ mailbox }) => mailbox)),
  leases.map(({ owner }) => owner),
]

/** By their owners' names, which are nobody else's: harmless where they are somebody else's by now. */
async function releaseAgain(pool: Pool, released: readonly Lease[]): Promise<void> {
  if (released.length > 0) await twice(() => pool.rows(RELEASE_ALL, columnsOf(released)))
}

async function tellLost(pool: Pool, watched: ReadonlyMap<string, { readonly lease: Lease; readonly lost: () => void }>): Promise<void> {
  const leases = [...watched.values()].map(({ lease }) => lease)
  if (leases.length === 0) return
  await pool.rows(LOST, columnsOf(leases), (row) => watched.get(row.text())?.lost())
}

const FREE_ALL: Statement = { name: 'lease_free_all', text: "update lease set expires_at = '-infinity' where expires_at > '-infinity'" }

/** Ends what a process that died held: only for one that has the database to itself. Epochs stay, so a writer from before is still fenced off. */
export const freeAllLeases = (pool: Pool): Promise<number> => pool.rows(FREE_ALL, [])
