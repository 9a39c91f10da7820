/**
 * Whether the process that holds something is dead. Each process has a number, and each of its connections holds a shared advisory lock of that number, which Postgres lets go
 * of when the connection ends: who gets the lock alone knows that the process has no connection at all. A process that lives may have none for a moment (all of them were cut,
 * Postgres was started again or failed over, and everybody comes back at his own time). So it is dead when it had none for GRACE, in a Postgres that somebody of ours has been connected
 * to for SETTLED. One that is wrongly believed dead loses what it held, and nothing else: what it writes is fenced by epochs.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'

/** Seconds without any connection; one that lives is back within a fraction of that: see Pool's `keepsOne`. */
export const LIFE_GRACE = 2
/** Seconds after which everybody is connected again: a pause before an attempt takes 1 s, a host that does not answer 2. */
export const LIFE_SETTLED = 5
const LOOK_MS = 250
/** After it was seen free, one look that finds it taken may have met somebody else's look. */
const MISSES = 2
/** Where Postgres goes down again and again it lives, as far as anybody knows. */
const PATIENCE_MS = 10_000
/** Above all locks that this program names by a constant, below 2^48, which is what `randomInt` gives. */
const [FIRST, LAST] = [2 ** 32, 2 ** 48 - 1]

/** Of a host that lost its power or its network Postgres hears by these, in 30 s; otherwise in two hours. Nothing over a socket in a folder. */
const HOLD: Statement = {
  name: 'life_hold',
  text: `select set_config('tcp_keepalives_idle', '15', false), set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)
         from (select pg_advisory_lock_shared($1)) l`,
}
// The lock is given back with the end of the statement, so that whoever begins to live waits for nothing.
const LOOK: Statement = {
  name: 'life_look',
  text: `select l.free, l.free and exists (select 1 from pg_stat_activity
           where usename = current_user and backend_type = 'client backend' and backend_start < clock_timestamp() - make_interval(secs => ${LIFE_SETTLED}))
         from (select pg_try_advisory_xact_lock($1) as free offset 0) l`,
}

export class Lives {
  /** This process's. */
  readonly own = randomInt(FIRST, LAST)
  readonly #asked = new Map<number, Promise<boolean>>()

  /** First of all on a new connection. */
  async hold(on: Queryable): Promise<void> {
    await on.rows(HOLD, [this.own])
  }

  /** Takes GRACE and more where it is dead, and one statement where it is not. However many ask, one looks. */
  isOver(on: Queryable, life: number): Promise<boolean> {
    if (life === this.own) return Promise.resolve(false)
    let asked = this.#asked.get(life)
    if (!asked) {
      asked = watchedToEnd(on, life).finally(() => this.#asked.delete(life))
      this.#asked.set(life, asked)
    }
    return asked
  }
}

async function watchedToEnd(on: Queryable, life: number): Promise<boolean> {
  const began = performance.now()
  for (let misses = MISSES - 1; ; ) {
    const { isFree, isSettled } = await look(on, life)
    const since = performance.now() - began
    misses = isFree ? 0 : misses + 1
    if (misses >= MISSES || since > PATIENCE_MS) return false
    if (isFree && isSettled && since >= LIFE_GRACE * 1_000) return true
    await sleep(isFree ? LOOK_MS : Math.random() * LOOK_MS, undefined, { ref: false })
  }
}

async function look(on: Queryable, life: number): Promise<{ isFree: boolean; isSettled: boolean }> {
  const seen = { isFree: false, isSettled: false }
  await on.rows(LOOK, [life], (row) => {
    seen.isFree = row.int() === 1
    seen.isSettled = row.int() === 1
  })
  return seen
}

const OWNER = /^[0-9a-f]{32}\.(\d{10,15})$/

/** The life that the name of a holder carries; undefined for one of a program that knew of none. */
export const lifeOf = (owner: string): number | undefined => lifeFrom(OWNER.exec(owner)?.[1])

export function lifeFrom(digits = ''): number | undefined {
  const life = Number(digits)
  return life >= FIRST && life < LAST ? life : undefined
}
