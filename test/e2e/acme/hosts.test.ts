/** Two hosts on one Postgres: one orders and has no listener, the other one, of two workers, answers and serves. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PEBBLE, type Pebble, startPebble } from '../../support/pebble.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { missing } from '../../support/programs.ts'
import { redisMissing, type TestRedis, testRedis } from '../../support/redis.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { configOf, type Front, HOST, noop, pop3, shown, startFront, until } from './house.ts'

const skip = missing(...PEBBLE) || redisMissing
let pebble: Pebble
let front: Front
let database: TestDatabase
let redis: TestRedis
let serves: TestServer
let orders: TestServer
before(async () => {
  if (skip) return
  front = await startFront()
  pebble = await startPebble({ tlsPort: front.port })
  database = await testDatabase()
  redis = await testRedis()
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url }
  const config = configOf({ pebble })
  serves = await startServer({ config, env, args: ['--roles', 'imap,pop3,http', '--workers', '2'] })
  front.to = serves.port('https')
  await until('word of the host that orders', () => serves.output.includes('nobody has ordered a certificate for this host yet'), serves)
  // It is not needed for any of this.
  await redis.kill()
  orders = await startServer({ config, env, args: ['--roles', 'queue', '--workers', '1'] })
})
after(async () => {
  await orders?.close()
  await serves?.close()
  await pebble?.close()
  await redis?.close()
  front?.close()
  await database?.close()
})

test('the host that did not order answers the authority, and all its workers serve what came, sessions go on', { skip }, async () => {
  assert.equal((await shown(serves.port('imaps'))).issuer, `CN=${HOST}`)
  const sessions = await Promise.all([1, 2, 3, 4].map(() => pop3(serves.port('pop3s'))))
  await until('an order', () => orders.output.includes('a certificate came by ACME'), orders)
  assert.doesNotMatch(serves.output, /ordering a certificate/)
  const many = async (): Promise<string[]> => Promise.all(Array.from({ length: 8 }, async () => (await shown(serves.port('imaps'))).issuer))
  const began = performance.now()
  await until('the certificate everywhere', async () => (await many()).every((issuer) => issuer.includes('Pebble')), serves, 60_000)
  assert.ok(performance.now() - began < 30_000)
  for (let i = 0; i < 5; i++) {
    assert.ok((await many()).every((issuer) => issuer.includes('Pebble')))
    await sleep(100)
  }
  for (const session of sessions) {
    assert.match(await noop(session), /^\+OK/)
    session.destroy()
  }
})
