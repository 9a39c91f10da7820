/** What nobody works on need not be waited out: what dead processes have claimed (lives.ts), and claims of which their process did not hear. An owner carries the life of its process; one of a Postern that knew of none has none, and keeps its lease. */
import { type Claim, QUEUE_LEASE_SECONDS } from '../../queue.ts'
import { int8Array } from '../arrays.ts'
import { type Lives, lifeFrom } from '../lives.ts'
import type { Pool } from '../pool.ts'
import type { Statement } from '../rows.ts'
import { WAITING } from './claim.ts'

/** The name in the queue of one of this process's owners. */
export const ownerOf = (owner: string, lives: Lives | undefined): string => (lives ? `${owner}.${lives.own}` : owner)
const LIFE = /\.(\d{10,15})$/

// Of a first attempt only: a message that two processes died over may be the reason, so its later leases are waited out, and not all go one after the other. And none that is in
// doubt, which would wait all the same: its process may live, cut off from Postgres, and tell later what came of it. By the index that goes by time: what is leased is, as far as
// that can tell, due within the time of a lease.
const MAY_GO = `state = ${WAITING} and attempts = 1 and dot_at is null and run_at > now() and run_at < now() + interval '${QUEUE_LEASE_SECONDS + 10} seconds'`
const OWNERS: Statement = { name: 'queue_owners', text: `select distinct owner from queue where ${MAY_GO} and owner is not null` }
// The lock: it is dead still.
const FREE: Statement = {
  name: 'queue_free',
  text: `with dead as materialized (select pg_try_advisory_xact_lock($2) as yes)
         update queue set run_at = clock_timestamp() from dead where dead.yes and ${MAY_GO} and owner = $1 returning 1`,
}

/** Resolves to how many recipients are due again. Takes seconds where somebody is dead. */
export async function freeDead(pool: Pool, lives: Lives): Promise<number> {
  const owners: { readonly owner: string; readonly life: number }[] = []
  await pool.rows(OWNERS, [], (row) => {
    const owner = row.text()
    const life = lifeFrom(LIFE.exec(owner)?.[1])
    if (life !== undefined && life !== lives.own) owners.push({ owner, life })
  })
  const freed = owners.map(async ({ owner, life }) => ((await lives.isOver(pool, life)) ? pool.rows(FREE, [owner, life]) : 0))
  return (await Promise.all(freed)).reduce((sum, n) => sum + n, 0)
}

/** Seconds: of a claim that is younger its owner may hear yet. */
const FRESH = 5
const FREE_LOST: Statement = {
  name: 'queue_free_lost',
  text: `update queue set run_at = clock_timestamp() where state = ${WAITING} and attempts >= 0 and dot_at is null and owner = $1 and id <> all ($2::int8[])
           and run_at > now() and run_at < now() + interval '${QUEUE_LEASE_SECONDS - FRESH} seconds' returning 1`,
}

export const freeLost = (pool: Pool, known: readonly Claim[], owner: string): Promise<number> =>
  pool.rows(FREE_LOST, [owner, int8Array(known.flatMap(({ recipients }) => recipients.map(({ id }) => id)))])
