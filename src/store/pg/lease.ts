/**
 * Leases on Postgres's clock, one statement each. A row stays when its lease ends, so that its epoch never begins anew.
 *
 * Nobody waits for the disk: a crash of Postgres may forget the last moments of them. A holder whose lease was forgotten changes nothing any more, as one whose lease ran
 * out, since the fence asks for his row, and his name is nobody else's; a release that was forgotten is waited out.
 */
import { randomBytes } from 'node:crypto'
import { Refusal, Unavailable } from '../errors.ts'
import { LEASE_SECONDS, type Lease, type Leases } from '../lease.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

const WITHOUT_DISK = "select set_config('synchronous_commit', 'off', true)"

// clock_timestamp, not now: a statement that waited for the row must not count from when it began.
const ACQUIRE: Statement = {
  name: 'lease_acquire',
  text: `with quick as (${WITHOUT_DISK})
         insert into lease as l (account_id, mailbox_id, owner, expires_at)
         select $1::int8, $2::int4, $3, clock_timestamp() + make_interval(secs => $4) from quick
         on conflict (account_id, mailbox_id) do update
         set owner = excluded.owner, epoch = l.epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $4)
         where l.expires_at < clock_timestamp() or l.owner = excluded.owner
         returning epoch`,
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

export function createLeases(pool: Pool, seconds: number = LEASE_SECONDS): Leases {
  const fence = ({ account, mailbox, owner, epoch }: Lease) => [account, mailbox, owner, epoch] as const

  return {
    async acquire({ account, mailbox }) {
      const owner = randomBytes(16).toString('hex')
      let epoch: number | undefined
      const ask = () =>
        pool.rows(ACQUIRE, [account, mailbox, owner, seconds], (row) => {
          epoch = row.long()
        })
      try {
        await ask()
      } catch (err) {
        if (!(err instanceof Unavailable)) throw err
        // The lease may have been given and the answer lost. The same owner is given it again; anybody else would wait it out.
        await ask()
      }
      if (epoch === undefined) throw new Refusal('in-use', 'the maildrop is in use by another session')
      return { account, mailbox, epoch, owner }
    },
    renew: async (lease) => (await pool.rows(RENEW, [...fence(lease), seconds])) === 1,
    async release(lease) {
      try {
        await pool.rows(RELEASE, fence(lease))
      } catch (err) {
        if (!(err instanceof Unavailable)) throw err
        // One connection that ended must not keep the maildrop locked: harmless twice.
        await pool.rows(RELEASE, fence(lease))
      }
    },
  }
}

const FREE_ALL: Statement = { name: 'lease_free_all', text: "update lease set expires_at = '-infinity' where expires_at > '-infinity'" }

/** Ends what a process that died held: only for one that has the database to itself. Epochs stay, so a writer from before is still fenced off. */
export const freeAllLeases = (pool: Pool): Promise<number> => pool.rows(FREE_ALL, [])
