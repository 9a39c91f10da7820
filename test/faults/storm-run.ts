/** One storm from an empty database to its table; the short and the full form differ in time only. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../support/random.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'
import { ACTS, createChaos, type House } from './chaos.ts'
import { type Echo, startEcho } from './echo.ts'
import { type FakeRelay, fakeRelay } from './fake-relay.ts'
import { breakableRedis, configFor, ownPostgres, startHost } from './house.ts'
import { Storm } from './storm.ts'

export interface StormRun {
  /** Each gives the faults of its part of the time; the first one the load. */
  readonly seeds: readonly number[]
  readonly seconds: number
  readonly users: number
  /** Seconds between two audits. */
  readonly auditEvery: number
  /** Milliseconds between two rounds of faults, at most. */
  readonly calm: number
  readonly pace?: number
}

/** Fails the test on any violation, and keeps the ledger and the logs then. */
export async function runStorm(t: TestContext, o: StormRun): Promise<void> {
  const folder = tempFolder('storm')
  const file = join(folder, 'ledger.jsonl')
  await using house = await buildHouse(o)
  const { hosts, users, relay, echo } = house
  const storm = new Storm({ hosts, connect: house.postgres.connect, users, seed: o.seeds[0]!, relay, echo, file, pace: o.pace ?? 1 })
  const chaos = createChaos(house)
  const rounds: string[] = []
  let isDone = false
  try {
    const began = performance.now()
    const end = began + o.seconds * 1_000
    let audit = began + o.auditEvery * 1_000
    await sleep(1_000)
    const chances = o.seeds.map((seed) => seeded(seed))
    while (performance.now() < end) {
      const chance = chances[Math.floor(((performance.now() - began) / (end - began)) * chances.length)]!
      rounds.push(await chaos.round(chance))
      await sleep(chance(o.calm))
      if (performance.now() < audit || performance.now() >= end) continue
      await storm.audit()
      audit = performance.now() + o.auditEvery * 1_000
    }
    await storm.audit()
    await storm.end()
    isDone = true
  } finally {
    if (!isDone) {
      writeFileSync(join(folder, 'rounds'), rounds.join('\n'))
      await storm.end()
      t.diagnostic(`did not come to its end after: ${rounds.join('; ')}`)
      for (const host of house.hosts) t.diagnostic(`the last words of ${host.name}:\n${host.output.slice(-4_000)}`)
    }
  }
  const noops = storm.judgeNoops(chaos.outages)
  const acts = ACTS.map(({ name }) => `${name} ${chaos.counts.get(name) ?? 0}`).join(', ')
  t.diagnostic(`seeds ${o.seeds.join(' and ')}, ${o.seconds} s, ${rounds.length} rounds: ${acts}\n${noops}\n${storm.report()}`)
  for (const host of house.hosts) {
    for (const line of complaints(host.output)) t.diagnostic(`${host.name}: ${line}`)
    if (storm.tally.violations > 0) writeFileSync(join(folder, `${host.name}.log`), host.output)
  }
  if (storm.tally.violations > 0) t.diagnostic(`the ledger and the logs are in ${folder}`)
  assert.equal(storm.tally.violations, 0)
  rmSync(file, { force: true })
  removeFolder(folder)
}

/** What a host logged as an error, each once, and how often. */
function complaints(output: string): string[] {
  const found = new Map<string, number>()
  for (const line of output.split('\n')) {
    if (!/"level":(50|60)/.test(line)) continue
    const { msg = '', err } = JSON.parse(line) as { msg?: string; err?: { message?: string } | string }
    const text = [msg, typeof err === 'string' ? err : err?.message].filter((part) => part !== undefined).join(': ')
    found.set(text, (found.get(text) ?? 0) + 1)
  }
  return [...found].slice(0, 8).map(([text, n]) => `${n} × ${text}`)
}

async function buildHouse(o: StormRun): Promise<House & AsyncDisposable & { users: string[]; relay: FakeRelay; echo: Echo }> {
  await using stack = new AsyncDisposableStack()
  const postgres = await ownPostgres()
  stack.defer(() => postgres.close())
  const redis = await breakableRedis()
  stack.defer(() => redis.close())
  const relay = await fakeRelay()
  stack.defer(() => relay.close())
  const users = Array.from({ length: o.users }, (_, i) => `user${i}`)
  const echo = await startEcho()
  stack.defer(() => echo.close())
  const hosts = []
  // One of several processes, one of a single one.
  for (const [name, workers] of [
    ['a', 2],
    ['b', 1],
  ] as const) {
    const more = [`relay: { host: localhost, port: ${relay.port}, security: none }`, `workers: ${workers}`]
    const host = await startHost(name, { config: await configFor(users, more), env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url } })
    stack.defer(() => host.close())
    hosts.push(host)
  }
  const all = stack.move()
  return { postgres, redis, hosts, users, relay, echo, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
