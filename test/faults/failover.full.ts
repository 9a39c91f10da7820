/** Postgres promoted from a replica under load: a synchronous one loses nothing; one that lags loses its tail and says so, and nothing that anybody was told means something else. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { tokenOf } from '../support/ledger.ts'
import type { TestConnect } from '../support/postgres.ts'
import { type Pair, primaryAndReplica } from '../support/replica.ts'
import { breakableRedis, configFor, startHost } from './house.ts'
import type { Evidence } from './judge.ts'
import { Storm } from './storm.ts'

const USERS = ['user0', 'user1', 'user2']
const WITHIN_MS = 60_000

interface Failover {
  readonly storm: Storm
  readonly pair: Pair
  /** Kills the primary, promotes the replica; resolves when its hosts have found out which incarnation it is. */
  promote(): Promise<void>
}

async function failover(t: TestContext, scenario: (o: Failover) => Promise<void>): Promise<Storm> {
  await using stack = new AsyncDisposableStack()
  const pair = await primaryAndReplica()
  stack.defer(() => pair.close())
  const redis = await breakableRedis()
  stack.defer(() => redis.close())
  const config = await configFor(USERS, ['workers: 1'])
  const hosts = []
  for (const name of ['a', 'b']) {
    const host = await startHost(name, { config, env: { DATABASE_URL: pair.url, REDIS_URL: redis.url } })
    stack.defer(() => host.close())
    hosts.push(host)
  }
  let connect: TestConnect = pair.primary.connect
  const seed = Math.floor(Math.random() * 2 ** 31)
  const storm = new Storm({
    ...{ hosts, users: USERS, seed },
    get connect() {
      return connect
    },
  })
  const promote = async () => {
    await pair.primary.stop('SIGKILL')
    const killed = performance.now()
    await pair.promote()
    // Clients hear nothing from it before; nor may whoever looks at its counters.
    while (Number((await pair.replica.query('select incarnation from server'))[0]!['incarnation']) < 2) {
      assert.ok(performance.now() - killed < WITHIN_MS, 'a new incarnation begins')
      await sleep(100)
    }
    connect = pair.replica.connect
    t.diagnostic(`a new incarnation ${((performance.now() - killed) / 1_000).toFixed(1)} s after the primary died`)
  }
  try {
    await scenario({ storm, pair, promote })
  } finally {
    await storm.end()
    t.diagnostic(`seed ${seed}\n${storm.report()}`)
    for (const host of hosts) {
      const words = host.output.split('\n').find((line) => line.includes('A new incarnation begins'))
      if (words) t.diagnostic(`${host.name}: ${(JSON.parse(words) as { msg: string }).msg}`)
    }
  }
  return storm
}

test('a synchronous replica takes over: nothing is lost', { timeout: 400_000 }, async (t) => {
  const storm = await failover(t, async ({ storm, pair, promote }) => {
    await pair.synchronous(true)
    await sleep(15_000)
    await promote()
    await sleep(15_000)
    await storm.audit()
  })
  assert.equal(storm.tally.violations, 0)
})

test('a replica that lags takes over: only its tail is lost, and no UID and no modseq comes again', { timeout: 400_000 }, async (t) => {
  let before = new Map<string, string>()
  let evidence: Evidence | undefined
  const storm = await failover(t, async ({ storm, pair, promote }) => {
    await sleep(10_000)
    await storm.load.gate.close()
    storm.keepRights()
    await pair.caughtUp()
    await pair.cut()
    before = new Map([...storm.ledger.books].map(([key, book]) => [key, JSON.stringify(book)]))
    storm.load.gate.open()
    // All of this is lost.
    await sleep(8_000)
    await promote()
    await sleep(15_000)
    evidence = await storm.audit()
  })
  for (const name of ['I3', 'I4', 'I5', 'I10'] as const) assert.equal(storm.tally.violated(name), 0, name)
  // What nobody touched after the replica was cut off is all there, once.
  const found = new Map<string, number>()
  for (const { user, rows } of evidence!.stored.boxes)
    for (const { octets } of rows.values()) found.set(`${user} ${tokenOf(octets)}`, (found.get(`${user} ${tokenOf(octets)}`) ?? 0) + 1)
  let checked = 0
  for (const [key, book] of storm.ledger.books) {
    if (before.get(key) !== JSON.stringify(book)) continue
    const [user = '', token = ''] = key.split(' ')
    const [fewest, most] = storm.ledger.bounds(user, token)
    const n = found.get(key) ?? 0
    assert.ok(n >= fewest && n <= most, `${key} is there ${n} times, ${fewest} to ${most} are right`)
    checked++
  }
  assert.ok(checked > 20)
  t.diagnostic(`${checked} of ${storm.ledger.books.size} were settled before the cut, and are all there`)
})
