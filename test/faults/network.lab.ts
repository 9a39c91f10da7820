/** Two Postern hosts, each in a namespace of its own, with Postgres and Redis in the lab, where the clients are too. Run by network.test.ts and network.full.ts. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cut, type LabHost, setLink, triesSince } from '../support/netns.ts'
import { seeded } from '../support/random.ts'
import { type BreakableRedis, breakableRedis, configFor, type HouseHost, ownPostgres, startHost, type TestPostgres } from './house.ts'
import { ImapClient } from './imap-client.ts'
import { currentLab } from './lab.ts'
import { address, PASSWORD } from './load/load.ts'
import { checkPop3, sendOne } from './probes.ts'
import { Storm } from './storm.ts'

const { hosts: places, form } = currentLab()
const isFull = form === 'full'
const [placeA, placeB] = places as [LabHost, LabHost]
/** Of each storm its own: a ledger knows only its own mail. */
const LOAD = ['user3', 'user4', 'user5']
const MORE_LOAD = ['user6', 'user7', 'user8']
/** Of the config: how often IDLE looks while the bus is not whole. */
const POLL_MS = 2_000
/** A bus that may have lost pokes is noticed by its heartbeats, and distrusted after five seconds. */
const NOTICED_MS = 12_000
/** An IDLE has begun after this: its first look is over. */
const BEGUN_MS = 500
/** The longest that a command may take when the database says nothing. */
const ANSWER_MS = 20_000

describe('two hosts', () => {
  let postgres: TestPostgres
  let redis: BreakableRedis
  let a: HouseHost
  let b: HouseHost

  before(async () => {
    ;[postgres, redis] = await Promise.all([ownPostgres({ everywhere: true }), breakableRedis('--bind', '0.0.0.0', '--protected-mode', 'no')])
    const config = await configFor(['user0', 'user1', 'user2', ...LOAD, ...MORE_LOAD], ['workers: 1'])
    const start = ({ name, within, address, lab }: LabHost) => {
      const to = new URL(postgres.url)
      to.hostname = lab
      // In a namespace of its own every port is free; "auto" would listen on the loopback only.
      return startHost(name, {
        config,
        within,
        address,
        args: ['--ports', 'high'],
        env: { DATABASE_URL: to.href, REDIS_URL: `redis://${lab}:${redis.port}` },
      })
    }
    // One after the other: the first one makes the tables.
    a = await start(placeA)
    b = await start(placeB)
  })
  after(async () => {
    await Promise.all([a?.close(), b?.close()])
    await redis?.close()
    await postgres?.close()
  })

  const login = (host: HouseHost, user: string, told?: () => void) =>
    ImapClient.login(host.where('imaps'), { user: address(user), password: PASSWORD }, ({ text }) => void (/EXISTS$/.test(text) && told?.()))

  test('a host that is cut off from Redis serves on, hears of changes by polling, and keeps its throttles', async (t) => {
    let heard = 0
    const idler = await login(a, 'user0', () => heard++)
    await idler.must('SELECT INBOX')
    heard = 0
    /** Milliseconds from a delivery at `b` to its EXISTS in the IDLE at `a`, which has begun before. */
    const latency = async (within: number): Promise<number> => {
      const before = heard
      const idling = idler.idle(within)
      await sleep(BEGUN_MS)
      const sent = performance.now()
      assert.match(await sendOne(b, 'user0'), /^250 /)
      await idling
      assert.ok(heard > before, `the change was not heard within ${within} ms`)
      return performance.now() - sent
    }
    const whole = await latency(10_000)
    const heal = cut(placeA, [redis.port])
    const first = await latency(NOTICED_MS + POLL_MS)
    const second = await latency(2 * POLL_MS + 1_500)
    await sendOne(a, 'user1')

    for (let i = 0; i < 3; i++) await assert.rejects(guess(a, 'user2', `wrong ${i}`), /AUTHENTICATIONFAILED/)
    // The throttle is this process's own now, and holds against the right password too.
    await assert.rejects(guess(a, 'user2', PASSWORD), (err: Error) => !/AUTHENTICATIONFAILED/.test(err.message))

    heal()
    let healed = Number.POSITIVE_INFINITY
    for (let tries = 0; healed > 1_000 && tries < 10; tries++) healed = await latency(NOTICED_MS + POLL_MS)
    assert.ok(healed < 1_000, `after the partition pokes take ${healed} ms`)
    t.diagnostic(
      `IDLE heard of a delivery at the other host after ${ms(whole)}; cut off from Redis after ${ms(first)}, then ${ms(second)}; healed after ${ms(healed)}`,
    )
    idler.close()
  })

  const guess = async (host: HouseHost, user: string, password: string) => {
    const client = await ImapClient.login(host.where('imaps'), { user: address(user), password })
    client.close()
  }

  test('a host that is cut off from Postgres says so in words and in time, and recovers without a restart', async (t) => {
    const storm = new Storm({ hosts: [a, b], connect: postgres.connect, users: LOAD, seed: 11, pace: isFull ? 1 : 2 })
    try {
      await sleep(2_000)
      const session = await login(a, 'user1')
      await session.must('SELECT INBOX')
      const heal = cut(placeA, [Number(new URL(postgres.url).port)])
      const cutAt = performance.now()
      const answers = isFull ? await askAll(session, a) : []
      if (isFull) await sleep(30_000)
      else await sleep(3_000)
      const seconds = (performance.now() - cutAt) / 1_000
      const tries = triesSince(placeA)
      heal()
      const healedAt = performance.now()
      while (!(await session.command('NOOP')).text.includes('OK')) await sleep(50)
      t.diagnostic(
        `${answers.join(', ')}${answers.length > 0 ? '; ' : ''}${tries} packets to open connections in ${seconds.toFixed(0)} s, well again ${ms(performance.now() - healedAt)} after`,
      )
      // A connection that is not answered tries again after 1, 2 and 4 s by itself; the pools have 14 places.
      assert.ok(tries < 40 + seconds * 20, `${tries} tries to connect in ${seconds} s`)
      session.close()
      await storm.audit()
    } finally {
      await storm.end()
    }
    t.diagnostic(storm.report())
    assert.equal(storm.tally.violations, 0)
  })

  /** What a client is told while the database says nothing, and after how long. */
  async function askAll(session: ImapClient, host: HouseHost): Promise<string[]> {
    const timed = async (name: string, ask: () => Promise<string>, expected: RegExp): Promise<string> => {
      const before = performance.now()
      const text = await ask()
      const took = performance.now() - before
      assert.match(text, expected)
      assert.ok(took < ANSWER_MS, `${name} took ${took} ms`)
      return `${name} ${ms(took)} "${text.slice(0, 60)}"`
    }
    return await Promise.all([
      timed('NOOP', async () => (await session.command('NOOP')).text, /NO \[UNAVAILABLE\] \w+/),
      timed(
        'LOGIN',
        () =>
          guess(host, 'user0', PASSWORD).then(
            () => 'OK',
            (err: Error) => err.message,
          ),
        /NO \[UNAVAILABLE\] \w+/,
      ),
      timed('MX', () => sendOne(host, 'user1'), /^4\d\d \d\.\d\.\d \w+/),
      timed('POP3', () => checkPop3(host, 'user0'), /^-ERR \[SYS\/TEMP\] \w+/),
    ])
  }

  const downAndUp = async (t: TestContext): Promise<void> => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const chance = seeded(seed)
    const storm = new Storm({ hosts: [a, b], connect: postgres.connect, users: MORE_LOAD, seed })
    const port = Number(new URL(postgres.url).port)
    const counts = new Map<string, number>()
    const faults: Record<string, (place: LabHost) => Promise<void>> = {
      'cut off from Redis for 8 s': (place) => during(cut(place, [redis.port]), 8_000),
      'cut off from Postgres for 5 s': (place) => during(cut(place, [port]), 5_000),
      'cut off from Postgres for 25 s': (place) => during(cut(place, [port]), 25_000),
      'cut off from both for 10 s': (place) => during(cut(place, [port, redis.port]), 10_000),
      async 'link down for 6 s'(place) {
        setLink(place, false)
        await during(() => setLink(place, true), 6_000)
      },
    }
    try {
      const end = performance.now() + 180_000
      while (performance.now() < end) {
        const round = chance(4) === 0 ? [placeA, placeB] : [chance(2) === 0 ? placeA : placeB]
        await Promise.all(
          round.map((place) => {
            const [name, fault] = Object.entries(faults)[chance(Object.keys(faults).length)]!
            counts.set(name, (counts.get(name) ?? 0) + 1)
            return fault(place)
          }),
        )
        await sleep(2_000 + chance(5_000))
      }
      await storm.audit()
    } finally {
      await storm.end()
    }
    t.diagnostic(`seed ${seed}: ${[...counts].map(([name, n]) => `${name} ${n}`).join(', ')}\n${storm.report()}`)
    assert.equal(storm.tally.violations, 0)
  }
  if (isFull) test('links that go down and come back, at random, under load', downAndUp)
})

async function during(heal: () => void, time: number): Promise<void> {
  await sleep(time)
  heal()
}

const ms = (n: number): string => `${n.toFixed(0)} ms`
