/** Redis goes away under sessions: mail comes, is read and is sent, IDLE polls, the maildrop's lock is exact, throttles hold; a host that starts meanwhile joins when Redis comes. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { redisMissing } from '../support/redis.ts'
import { type FakeRelay, fakeRelay } from './fake-relay.ts'
import { type BreakableRedis, breakableRedis, configFor, type HouseHost, startHost } from './house.ts'
import { ImapClient } from './imap-client.ts'
import { address, PASSWORD } from './load/load.ts'
import { checkPop3, openPop3, sendOne, submitOne } from './probes.ts'

/** Heartbeats are missed, then the bus is not trusted for five seconds more, then IDLE looks every two. */
const FIRST_MS = 14_000
const POKED_MS = 1_000

describe('without Redis', { skip: redisMissing }, () => {
  let redis: BreakableRedis
  let database: TestDatabase
  let relay: FakeRelay
  let config: string
  let a: HouseHost
  let b: HouseHost
  let idler: ImapClient
  let heard = 0

  const start = (name: string) => startHost(name, { config, env: { DATABASE_URL: database.url, REDIS_URL: redis.url } })

  before(async () => {
    ;[redis, database, relay] = await Promise.all([breakableRedis(), testDatabase(), fakeRelay()])
    config = await configFor(['anna', 'ben'], [`relay: { host: localhost, port: ${relay.port}, security: none }`, 'workers: 1'])
    a = await start('a')
    idler = await ImapClient.login(a.where('imaps'), { user: address('anna'), password: PASSWORD }, ({ text }) => {
      if (/EXISTS$/.test(text)) heard++
    })
    await idler.must('SELECT INBOX')
    heard = 0
    await redis.kill()
    // This one starts without.
    b = await start('b')
  })
  after(async () => {
    idler?.close()
    await Promise.all([a?.close(), b?.close()])
    await Promise.all([relay?.close(), redis?.close(), database?.close()])
  })

  /** Milliseconds from a delivery at `b` until the IDLE at `a` tells of it. */
  async function latency(within: number): Promise<number> {
    const before = heard
    const idling = idler.idle(within)
    await sleep(300)
    const sent = performance.now()
    assert.match(await sendOne(b, 'anna'), /^250 /)
    await idling
    assert.ok(heard > before, `nothing was heard within ${within} ms`)
    return performance.now() - sent
  }

  test('IDLE at one host hears of mail at the other by polling', async (t) => {
    t.diagnostic(`heard after ${(await latency(FIRST_MS)).toFixed(0)} ms`)
  })

  test('mail goes out, once', async () => {
    for (const host of [a, b]) {
      const { said, token } = await submitOne(host, 'anna')
      assert.match(said, /^250 /)
      for (const end = performance.now() + 15_000; relay.got.get(token) === undefined && performance.now() < end; ) await sleep(50)
      assert.equal(relay.got.get(token), 1)
    }
  })

  test('a maildrop that is open at one host is in use at the other', async () => {
    const first = await openPop3(a, 'ben')
    assert.match(first.welcome, /^\+OK/)
    assert.match(await checkPop3(b, 'ben'), /^-ERR \[IN-USE\]/)
    assert.match(await first.say('QUIT'), /^\+OK/)
    first.close()
    const second = await openPop3(b, 'ben')
    assert.match(second.welcome, /^\+OK/)
    assert.match(await checkPop3(a, 'ben'), /^-ERR \[IN-USE\]/)
    assert.match(await second.say('QUIT'), /^\+OK/)
    second.close()
  })

  test('who guesses is stopped by each host for itself', async () => {
    const guess = (host: HouseHost, password: string) => ImapClient.login(host.where('imaps'), { user: address('ben'), password })
    for (const host of [a, b]) {
      for (let i = 0; i < 3; i++) await assert.rejects(guess(host, `wrong ${i}`), /AUTHENTICATIONFAILED/)
      await assert.rejects(guess(host, PASSWORD), (err: Error) => !/AUTHENTICATIONFAILED/.test(err.message))
    }
  })

  test('when it comes, both are together again, the one that never knew it too', async (t) => {
    await redis.start()
    let last = Number.POSITIVE_INFINITY
    const began = performance.now()
    while (last > POKED_MS && performance.now() - began < 20_000) last = await latency(FIRST_MS)
    assert.ok(last <= POKED_MS, `a poke takes ${last} ms`)
    t.diagnostic(`heard after ${last.toFixed(0)} ms, ${((performance.now() - began) / 1_000).toFixed(1)} s after Redis came`)
  })
})
