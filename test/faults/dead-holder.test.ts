/** What becomes of a maildrop whose holder died, or was cut off from Postgres, or whose Postgres was started again: the dead one's is free at once, the living one's stays his. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LIFE_GRACE, LIFE_SETTLED } from '../../src/store/pg/lives.ts'
import { configFor, type HouseHost, ownPostgres, startHost, type TestPostgres } from './house.ts'
import { ImapClient } from './imap-client.ts'
import { address, PASSWORD } from './load/load.ts'
import { checkPop3, openPop3, type Pop3Session, sendOne } from './probes.ts'

/** And what a busy machine takes for a login. */
const AT_ONCE_MS = (LIFE_GRACE + 3) * 1_000
const IN_USE = /^-ERR \[IN-USE\]/
/** The lock that each connection of the process holds whose lease this is. */
const OF_HOLDER =
  "classid = split_part(l.owner, '.', 2)::int8 >> 32 and objid = split_part(l.owner, '.', 2)::int8 & 4294967295 and locktype = 'advisory'"

describe('a maildrop and its holder', () => {
  let postgres: TestPostgres
  let a: HouseHost
  let b: HouseHost

  before(async () => {
    // What does not wait for the disk is not on it soon: a crash forgets all of it.
    postgres = await ownPostgres({ more: ['wal_writer_delay = 10s'] })
    const config = await configFor(['anna', 'ben', 'carl', 'dora', 'emil', 'fred'], ['workers: 1'])
    const start = (name: string) => startHost(name, { config, env: { DATABASE_URL: postgres.url } })
    a = await start('a')
    b = await start('b')
  })
  after(async () => {
    await Promise.all([a?.close(), b?.close()])
    await postgres?.close()
  })

  /** Two messages, of which the session at `a` has marked one. */
  async function reader(user: string): Promise<Pop3Session> {
    for (let i = 0; i < 2; i++) assert.match(await sendOne(b, user), /^250 /)
    const session = await openPop3(a, user)
    assert.match(session.welcome, /^\+OK/)
    assert.match(await session.say('DELE 1'), /^\+OK/)
    return session
  }

  async function countInbox(user: string): Promise<number> {
    const client = await ImapClient.login(b.where('imaps'), { user: address(user), password: PASSWORD })
    const { untagged } = await client.must('EXAMINE INBOX')
    client.close()
    return Number(untagged.map(({ text }) => /^\* (\d+) EXISTS/.exec(text)?.[1]).find((n) => n !== undefined))
  }

  async function onPostgres<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client(postgres.connect)
    await client.connect()
    return await use(client).finally(() => client.end())
  }

  /** Ends connections of who holds a maildrop; resolves to how many. */
  const cut = (most: number): Promise<number> =>
    onPostgres(async (client) => {
      const { rows } = await client.query(
        `select pg_terminate_backend(pid) from (select distinct k.pid from pg_locks k join lease l on ${OF_HOLDER} where l.expires_at > now() limit $1) c`,
        [most],
      )
      return rows.length
    })

  test('a process is killed: who comes next has the maildrop at once, and nothing was deleted', async (t) => {
    const dead = await reader('anna')
    // Who has just come does not know Postgres long enough to tell.
    await sleep(LIFE_SETTLED * 1_000)
    const back = a.restart()
    const began = performance.now()
    const next = await openPop3(b, 'anna')
    const took = performance.now() - began
    assert.match(next.welcome, /^\+OK Maildrop has 2 messages/)
    assert.ok(took < AT_ONCE_MS, `it took ${took} ms`)
    t.diagnostic(`taken over after ${took.toFixed(0)} ms`)
    await assert.rejects(dead.say('QUIT'))
    await back
    // The restarted one asks, too, and this holder lives.
    assert.match(await checkPop3(a, 'anna'), IN_USE)
    assert.match(await next.say('QUIT'), /^\+OK/)
    assert.equal(await countInbox('anna'), 2)
  })

  test('the process that was started again takes over what its forerunner held', async (t) => {
    const dead = await reader('ben')
    await a.restart()
    const began = performance.now()
    const next = await openPop3(a, 'ben')
    const took = performance.now() - began
    assert.match(next.welcome, /^\+OK Maildrop has 2 messages/)
    assert.ok(took < AT_ONCE_MS, `it took ${took} ms`)
    t.diagnostic(`taken over after ${took.toFixed(0)} ms`)
    next.close()
    dead.close()
  })

  for (const [what, most, user] of [
    ['one connection', 1, 'carl'],
    ['all connections', 1_000, 'dora'],
  ] as const)
    test(`${what} of a process that lives cut: it keeps its maildrop`, async () => {
      const living = await reader(user)
      assert.ok((await cut(most)) > 0)
      for (let i = 0; i < 3; i++) assert.match(await checkPop3(b, user), IN_USE)
      await cut(most)
      await sleep((LIFE_GRACE + 1) * 1_000)
      assert.match(await checkPop3(b, user), IN_USE)
      assert.match(await living.say('QUIT'), /^\+OK/)
      assert.equal(await countInbox(user), 1)
    })

  test('Postgres is killed and comes back: whoever asks first does not get what another holds', async () => {
    const living = await reader('emil')
    // A crash of Postgres may forget the last moments of leases: nobody waits for the disk there. Whoever does brings theirs along.
    assert.match(await sendOne(b, 'emil'), /^250 /)
    // And is slow to come back himself.
    const go = a.hold()
    await postgres.kill()
    const held = sleep((LIFE_GRACE + 1) * 1_000).then(go)
    const until = performance.now() + (LIFE_SETTLED + LIFE_GRACE + 2) * 1_000
    while (performance.now() < until) {
      assert.match(await checkPop3(b, 'emil'), /^-ERR \[(IN-USE|SYS\/TEMP)\]/)
      await sleep(100)
    }
    await held
    assert.match(await living.say('QUIT'), /^\+OK/)
    assert.equal(await countInbox('emil'), 2)
  })

  test('Postgres is killed and forgets that a maildrop was let go of: it is free all the same', async () => {
    const gone = await openPop3(a, 'fred')
    assert.match(gone.welcome, /^\+OK/)
    // With this the lease is on the disk.
    assert.match(await sendOne(b, 'fred'), /^250 /)
    assert.match(await gone.say('QUIT'), /^\+OK/)
    await postgres.kill()
    const began = performance.now()
    let next = await openPop3(b, 'fred')
    while (!next.welcome.startsWith('+OK')) {
      assert.match(next.welcome, /^-ERR \[(IN-USE|SYS\/TEMP)\]/)
      assert.ok(performance.now() - began < 20_000, next.welcome)
      await sleep(100)
      next = await openPop3(b, 'fred')
    }
    assert.match(await next.say('QUIT'), /^\+OK/)
  })
})
