/** The greylist in Postgres: who has to come again, who is known, and what it takes at most. Time is moved in the rows. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { Greylist, Letter } from '../../src/store/greylist.ts'
import { MAX_LETTERS_OF_CLIENT } from '../../src/store/greylist.ts'
import { createGreylist, dropOldLetters } from '../../src/store/pg/greylist.ts'
import { migrate } from '../../src/store/pg/migrate.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { reap } from '../../src/store/pg/reaper.ts'
import { until } from '../e2e/outbound/house.ts'
import { testDatabase } from '../support/postgres.ts'
import { seeded } from '../support/random.ts'

const db = await testDatabase()
const log = silentLog()
const pool = new Pool({ connect: db.connect, max: 4, log })
const other = new Pool({ connect: db.connect, max: 4, log })
await migrate(pool, log)
after(async () => {
  await Promise.all([pool.close(), other.close()])
  await db.close()
})

/** Two processes. */
const lists: readonly [Greylist, Greylist] = [createGreylist(pool, log), createGreylist(other, log)]
const RULES = { delay: 300, window: 86_400, remember: 30 * 86_400, trustAfter: 3 }
const HOUR = 3_600
let made = 0
const letterOf = (client: string, more: Partial<Letter> = {}): Letter => ({
  ...{ client, network: client, from: `x${++made}@a.test`, to: 'ann@example.org' },
  ...more,
})
/** As one word; what has to wait, with how long. */
async function ask(letter: Letter, rules = RULES, list: Greylist = lists[made % 2]!): Promise<string> {
  const greeting = await list.greet(letter, rules)
  return greeting.is === 'early' ? `early ${greeting.waits}` : greeting.is
}
const sql = (text: string, values: readonly (string | number)[] = []) => pool.rows({ name: '', text }, values)
const number = async (text: string): Promise<number> => {
  let n = Number.NaN
  await pool.rows({ name: '', text: `select (${text})::int4` }, [], (row) => {
    n = row.int()
  })
  return n
}
/** Lets time go by for one client. */
async function pass(client: string, seconds: number): Promise<void> {
  await sql(
    'update greylist set first_try = first_try - make_interval(secs => $2), expires = expires - make_interval(secs => $2) where client = $1',
    [client, seconds],
  )
  await sql(
    'update greylist_client set counted = counted - make_interval(secs => $2), expires = expires - make_interval(secs => $2) where client = $1',
    [client, seconds],
  )
}

test('first too early, then known, and forgotten when it did not come for long', async () => {
  const letter = letterOf('192.0.2.0/24')
  assert.equal(await ask(letter), 'early 300')
  assert.equal(await ask(letter), 'early 300')
  await pass(letter.client, 100)
  assert.match(await ask(letter), /^early 200$/)
  assert.match(await ask({ ...letter, to: 'bob@example.org' }), /^early 300$/)
  await pass(letter.client, 200)
  assert.equal(await ask(letter), 'passed')
  assert.equal(await ask(letter), 'passed')
  await pass(letter.client, RULES.remember - 60)
  assert.equal(await ask(letter), 'passed')
  await pass(letter.client, RULES.remember + 60)
  assert.equal(await ask(letter), 'early 300')
})

test('who comes after the window begins anew', async () => {
  const letter = letterOf('192.0.3.0/24')
  await ask(letter)
  await pass(letter.client, RULES.window + 1)
  assert.equal(await ask(letter), 'early 300')
  await pass(letter.client, RULES.window - 1)
  assert.equal(await ask(letter), 'passed')
})

test('a client that passed in three different hours is known; many letters in one hour count once', async () => {
  const client = '192.0.4.0/24'
  const fresh = async () => ask(letterOf(client))
  for (let hour = 0; hour < 3; hour++) {
    const letters = Array.from({ length: 4 }, () => letterOf(client))
    for (const letter of letters) assert.equal(await ask(letter), 'early 300')
    await pass(client, HOUR + 1)
    for (const letter of letters) assert.equal(await ask(letter), hour === 2 && letter !== letters[0] ? 'trusted' : 'passed')
  }
  assert.equal(await fresh(), 'trusted')
  const before = await number(`select count(*) from greylist where client = '${client}'`)
  for (let i = 0; i < 5; i++) assert.equal(await fresh(), 'trusted')
  assert.equal(await number(`select count(*) from greylist where client = '${client}'`), before)
  assert.equal(await ask(letterOf(client), { ...RULES, trustAfter: 0 }), 'early 300')
  // Trust in a network holds for whom SPF names too, and goes when nobody came.
  assert.equal(await ask(letterOf('new.test', { network: client })), 'trusted')
  assert.equal(await ask(letterOf('other.test', { network: '192.0.5.0/24' })), 'early 300')
  await pass(client, RULES.remember - 60)
  assert.equal(await fresh(), 'trusted')
  await pass(client, RULES.remember - 60)
  assert.equal(await fresh(), 'trusted')
  await pass(client, RULES.remember + 60)
  assert.equal(await fresh(), 'early 300')
})

test('several processes ask for the same at once: one row, one answer, one pass', async () => {
  const letter = letterOf('192.0.6.0/24')
  const all = async () => new Set(await Promise.all(Array.from({ length: 40 }, (_, i) => ask(letter, RULES, lists[i % 2]!))))
  assert.deepEqual(await all(), new Set(['early 300']))
  assert.equal(await number("select count(*) from greylist where client = '192.0.6.0/24'"), 1)
  await pass(letter.client, 301)
  assert.deepEqual(await all(), new Set(['passed']))
  assert.equal(await number("select passes from greylist_client where client = '192.0.6.0/24'"), 1)
})

test('a network with endless letters: bounded, and it gets through as a whole, untrusted', async () => {
  const client = '192.0.7.0/24'
  const early = letterOf(client)
  assert.equal(await ask(early), 'early 300')
  await Promise.all(
    [0, 1, 2, 3].map(async (part) => {
      for (let i = 0; i < 300; i++) await ask(letterOf(client, { from: `n${part}.${i}@a.test` }))
    }),
  )
  const rows = () => number(`select count(*) from greylist where client = '${client}'`)
  // Those that came at the same moment saw the same room.
  assert.ok((await rows()) <= MAX_LETTERS_OF_CLIENT + 4, `${await rows()} rows`)
  assert.match(await ask(letterOf(client)), /^early /)
  await pass(client, 301)
  assert.equal(await ask(early), 'passed')
  for (let i = 0; i < 10; i++) assert.equal(await ask(letterOf(client)), 'passed')
  await sql(`delete from greylist_client where client = '${client}'`)
  assert.equal(await ask(letterOf(client)), 'passed')
  assert.equal(await number(`select count(*) from greylist_client where client = '${client}'`), 0)
  // All of it is over: there is room, and what comes is new.
  await pass(client, RULES.remember + RULES.window)
  await dropOldLetters(pool, new AbortController().signal)
  assert.equal(await rows(), 0)
  assert.equal(await ask(letterOf(client)), 'early 300')
})

test('the reaper takes what is over and nothing else', async () => {
  await sql('delete from greylist')
  await sql('delete from greylist_client')
  await sql(
    `insert into greylist select '10.' || i || '.0.0/24', '\\x01', now(), false, now() + make_interval(secs => case when i % 2 = 0 then -1 else 60 end) from generate_series(1, 25000) i`,
  )
  await sql(
    `insert into greylist_client select 'c' || i, 1, now(), now() + make_interval(secs => case when i % 2 = 0 then -1 else 60 end) from generate_series(1, 30) i`,
  )
  await reap(pool, 0, new AbortController().signal)
  assert.deepEqual([await number('select count(*) from greylist'), await number('select count(*) from greylist_client')], [12_500, 15])
})

test('a full greylist passes what it does not know, and still knows what it knew', async () => {
  const known = letterOf('192.0.8.0/24')
  assert.equal(await ask(known), 'early 300')
  const full = createGreylist(pool, log, 2)
  await full.greet(letterOf('192.0.9.0/24'), RULES)
  await until('a full greylist', async () => (await ask(letterOf('192.0.9.0/24'), RULES, full)) === 'full')
  assert.match(await ask(known, RULES, full), /^early /)
  await pass(known.client, 301)
  assert.equal(await ask(known, RULES, full), 'passed')
})

test('whatever comes whenever, it is answered as one would by hand', async () => {
  const random = seeded(7)
  const rules = { delay: 300, window: 10 * HOUR, remember: 20 * HOUR, trustAfter: 4 }
  const client = '192.0.10.0/24'
  const model = new Model(rules)
  for (let step = 0; step < 400; step++) {
    if (random(3) === 0) {
      const seconds = [100, 200, 301, HOUR + 10, 5 * HOUR, 9 * HOUR, 21 * HOUR][random(7)]! + 20 * random(5) + 0.5
      await pass(client, seconds)
      model.moved += seconds
      continue
    }
    const from = `x${random(3)}@a.test`
    const greeting = await lists[step % 2]!.greet({ client, network: client, from, to: 'ann@example.org' }, rules)
    assert.equal(greeting.is, model.greet(from), `step ${step}`)
  }
})

/** The rules once more, with nobody else there. */
class Model {
  moved = 0
  readonly #rules: typeof RULES
  readonly #letters = new Map<string, { first: number; passed: boolean; expires: number }>()
  #client = { passes: 0, counted: 0, expires: 0 }

  constructor(rules: typeof RULES) {
    this.#rules = rules
  }

  get now(): number {
    return this.moved + performance.now() / 1000
  }

  greet(from: string): string {
    const { delay, window, remember, trustAfter } = this.#rules
    const client = this.#client
    if (client.passes >= trustAfter && client.expires > this.now) {
      if (client.expires < this.now + 0.9 * remember) client.expires = this.now + remember
      return 'trusted'
    }
    const known = this.#letters.get(from)
    if (known === undefined || known.expires <= this.now) {
      this.#letters.set(from, { first: this.now, passed: false, expires: this.now + window })
      return 'early'
    }
    if (!known.passed && this.now < known.first + delay) return 'early'
    Object.assign(known, { passed: true, expires: this.now + remember })
    if (client.expires <= this.now) Object.assign(client, { passes: 1, counted: this.now })
    else if (client.counted + HOUR <= this.now) Object.assign(client, { passes: client.passes + 1, counted: this.now })
    client.expires = this.now + remember
    return 'passed'
  }
}
