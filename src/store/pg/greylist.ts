/** The greylist in Postgres: one statement for each question, right whoever else asks the same at that moment; its clock is the database's. */
import { createHash } from 'node:crypto'
import type { Log } from '../../log.ts'
import { type Greeting, type Greylist, type Letter, MAX_LETTERS, MAX_LETTERS_OF_CLIENT } from '../greylist.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

/** How often it is counted whether there is room for more. Milliseconds. */
const COUNT_INTERVAL = 60_000
/** Rows that one statement of the reaper takes. */
const STEP = 10_000

/**
 * $1 client, $2 letter, $3 network, $4 delay, $5 window, $6 remember, $7 trust after, $8 whether there is room. A row is one of three: over (a first try begins), passed (it is known),
 * or waiting (known from `first_try` + delay on). Two who ask for a new letter at once meet at its key, and both hear the same. Nobody has to wait for the disk.
 */
const GREET: Statement = {
  name: 'greylist_greet',
  text: `with quick as (select set_config('synchronous_commit', 'off', true)),
         times as (select now() as t, make_interval(secs => $4) as delay, make_interval(secs => $5) as window, make_interval(secs => $6) as remember),
         trusted as (select client, c.expires from greylist_client c where client in ($1, $3) and $7::int4 > 0 and passes >= $7 and expires > now()),
         known as (select exists (select 1 from greylist where client = $1 and letter = $2) as this,
                     (select count(*) from (select 1 from greylist where client = $1 limit ${MAX_LETTERS_OF_CLIENT}) own) >= ${MAX_LETTERS_OF_CLIENT} as many),
         greeted as (
           insert into greylist as g (client, letter, first_try, passed, expires)
           select $1, case when known.many and not known.this then ''::bytea else $2 end, t, false, t + times.window from quick, times, known
           where not exists (select 1 from trusted) and ($8::boolean or known.this or known.many)
           on conflict (client, letter) do update set
             first_try = case when g.expires <= now() then now() else g.first_try end,
             passed = g.expires > now() and (g.passed or g.first_try <= now() - make_interval(secs => $4)),
             expires = case when g.expires <= now() then now() + make_interval(secs => $5)
               when g.letter <> '' and (g.passed or g.first_try <= now() - make_interval(secs => $4)) then now() + make_interval(secs => $6)
               else g.expires end
           returning letter, passed, first_try),
         counted as (
           insert into greylist_client as c (client, passes, counted, expires)
           select $1, 1, t, t + remember from greeted, times where passed and letter <> ''
           on conflict (client) do update set
             passes = case when c.expires <= now() then 1 when c.counted <= now() - interval '1 hour' then least(c.passes + 1, 1000000) else c.passes end,
             counted = case when c.expires <= now() or c.counted <= now() - interval '1 hour' then now() else c.counted end,
             expires = excluded.expires),
         renewed as (
           update greylist_client c set expires = t + remember from trusted, times where c.client = trusted.client and c.expires < t + remember * 0.9)
         select exists (select 1 from trusted), coalesce((select passed from greeted), false), exists (select 1 from greeted),
           coalesce((select ceil(extract(epoch from first_try + delay - t)) from greeted, times), 0)::int4`,
}
const COUNT: Statement = {
  name: 'greylist_count',
  text: `select ((select count(*) from (select 1 from greylist limit ${MAX_LETTERS}) g) + (select count(*) from (select 1 from greylist_client limit ${MAX_LETTERS}) c))::int8`,
}
const DROP: Statement = {
  name: 'greylist_drop',
  text: `with old as (delete from greylist where ctid in (select ctid from greylist where expires <= now() limit ${STEP} for update skip locked) and expires <= now() returning 1)
         select count(*)::int4 from old`,
}
const DROP_CLIENTS: Statement = {
  name: 'greylist_drop_clients',
  text: `with old as (delete from greylist_client where ctid in (select ctid from greylist_client where expires <= now() limit ${STEP} for update skip locked) and expires <= now() returning 1)
         select count(*)::int4 from old`,
}

/** Who it was from and for is nobody's business for weeks. */
const digest = ({ from, to }: Letter): Buffer => createHash('sha256').update(`${from}\n${to}`).digest().subarray(0, 16)

/** `room`: rows in all. */
export function createGreylist(pool: Pool, log: Log, room = MAX_LETTERS): Greylist {
  let hasRoom = true
  let counted = Number.NEGATIVE_INFINITY

  async function count(): Promise<void> {
    const had = hasRoom
    await pool.rows(COUNT, [], (row) => {
      hasRoom = row.long() < room
    })
    if (had && !hasRoom) log.warn({ letters: room }, 'the greylist is full: what it does not know passes until some of it is over')
  }

  return {
    async greet(letter, { delay, window, remember, trustAfter }) {
      const now = performance.now()
      if (now - counted > COUNT_INTERVAL) {
        counted = now
        void count().catch(() => undefined)
      }
      let greeting: Greeting = { is: 'full' }
      await pool.rows(GREET, [letter.client, digest(letter), letter.network, delay, window, remember, trustAfter, hasRoom], (row) => {
        const [trusted, passed, known, waits] = [row.int() === 1, row.int() === 1, row.int() === 1, row.int()]
        if (trusted) greeting = { is: 'trusted' }
        else if (passed) greeting = { is: 'passed' }
        else if (known) greeting = { is: 'early', waits: Math.min(Math.max(1, waits), Math.ceil(delay)) }
      })
      return greeting
    },
  }
}

/** What is over. */
export async function dropOldLetters(pool: Pool, stop: AbortSignal): Promise<void> {
  for (const statement of [DROP, DROP_CLIENTS]) {
    let dropped = STEP
    while (dropped >= STEP && !stop.aborted)
      await pool.rows(statement, [], (row) => {
        dropped = row.int()
      })
  }
}
