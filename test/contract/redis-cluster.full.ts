/** A Cluster that loses nodes: another takes over, nothing hangs, and meanwhile the bus says that it may be deaf. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { Drivers } from '../../src/store/drivers.ts'
import { createRedisDrivers } from '../../src/store/redis/index.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { redisMissing } from '../support/redis.ts'
import { type TestRedisCluster, testRedisCluster } from '../support/redis-cluster.ts'
import { pause, until } from './ends.ts'

const inbox = (account: number) => ({ account: account as AccountId, of: 7 as MailboxId })
const WIDE = { burst: 1e6, perSecond: 1 }

/** Watches on one end, pokes from the other, and says what the bus says. */
class Talk {
  readonly heard: number[] = []
  readonly stop: () => void
  readonly account: number
  readonly #b: Drivers
  #at = 1

  constructor(a: Drivers, b: Drivers, account: number) {
    this.account = account
    this.#b = b
    this.stop = a.bus.watch(inbox(account), (at) => this.heard.push(at))
  }

  /** Whether pokes come through now. */
  async flows(): Promise<boolean> {
    const at = ++this.#at
    this.#b.bus.poke(inbox(this.account), at)
    await pause(30)
    return this.heard.includes(at)
  }
}

describe('a Cluster', { skip: redisMissing }, () => {
  let cluster: TestRedisCluster
  let a: Drivers
  let b: Drivers
  before(async () => {
    cluster = await testRedisCluster({ nodeTimeout: 2_000 })
  })
  after(() => cluster?.close())
  beforeEach(async () => {
    ;[a, b] = await Promise.all([createRedisDrivers(cluster.url, silentLog()), createRedisDrivers(cluster.url, silentLog())])
  })
  afterEach(() => Promise.all([a.close(), b.close()]))

  /** A conversation by way of each of the primaries. */
  async function talks(): Promise<Talk[]> {
    const byOwner = new Map<number, Talk>()
    for (let account = 1; byOwner.size < 3; account++) {
      const owner = await cluster.ownerOf(`postern:poke:{${account}}:7`)
      if (!byOwner.has(owner)) byOwner.set(owner, new Talk(a, b, account))
    }
    const all = [...byOwner.values()]
    for (const talk of all) await until('pokes come through', () => talk.flows(), 10_000)
    await until('both know each other', async () => {
      await pause(1_200)
      return a.bus.silentFor() === 0 && b.bus.silentFor() === 0
    })
    return all
  }

  /** Until it is over, uses everything now and then; the slowest answer in milliseconds. */
  async function useAll(over: () => boolean): Promise<number> {
    let slowest = 0
    for (let i = 0; !over(); i++) {
      const at = performance.now()
      await Promise.all([
        a.throttle.take(`bucket ${i % 50}`, WIDE),
        a.presence.enter({ service: 'imaps', remote: `192.0.2.${i % 50}` }, { perRemote: 1e6 }),
        a.snapshots.get(i as AccountId, 7 as MailboxId),
      ])
      slowest = Math.max(slowest, performance.now() - at)
      await pause(20)
    }
    return slowest
  }

  test('loses a primary: its replica takes over, and what it had flows again', async (t) => {
    const all = await talks()
    const victim = await cluster.ownerOf(`postern:poke:{${all[0]!.account}}:7`)
    for (const talk of all) talk.heard.length = 0
    let over = false
    const using = useAll(() => over)
    const at = performance.now()
    await cluster.nodes[victim]!.kill()
    await until('the bus says that pokes may be missing', () => a.bus.silentFor() > 0, 6_000)
    const said = performance.now() - at
    await until('watchers of what it had were told to look', () => all[0]!.heard.includes(0), 30_000)
    await until('pokes flow again', () => all[0]!.flows(), 30_000)
    const flowed = performance.now() - at
    for (const talk of all) await until('the others flow too', () => talk.flows(), 30_000)
    await until('the bus is whole', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0, 30_000)
    const whole = performance.now() - at
    over = true
    const slowest = await using
    t.diagnostic(
      `silence said after ${Math.round(said)} ms, pokes again after ${Math.round(flowed)} ms, whole after ${Math.round(whole)} ms, slowest answer ${Math.round(slowest)} ms`,
    )
    assert.ok(slowest < 1_500, `${slowest} ms`)
    // It comes back as a replica, and nothing changes.
    await cluster.nodes[victim]!.start()
    await pause(3_000)
    for (const talk of all) await until('all flow', () => talk.flows(), 10_000)
  })

  test('a primary that says nothing is as good as dead, and harmless when it wakes', async (t) => {
    const all = await talks()
    const victim = await cluster.ownerOf(`postern:poke:{${all[1]!.account}}:7`)
    const at = performance.now()
    cluster.nodes[victim]!.pause()
    try {
      await until('the bus says that pokes may be missing', () => a.bus.silentFor() > 0, 6_000)
      for (const talk of all) await until('pokes flow again', () => talk.flows(), 40_000)
      t.diagnostic(`pokes again after ${Math.round(performance.now() - at)} ms`)
    } finally {
      cluster.nodes[victim]!.wake()
    }
    await until('the bus is whole', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0, 30_000)
    await pause(3_000)
    for (const talk of all) await until('all flow', () => talk.flows(), 10_000)
    assert.equal(a.bus.silentFor(), 0)
  })

  test('a fail-over by hand loses no poke for long', async () => {
    const all = await talks()
    const primary = await cluster.ownerOf(`postern:poke:{${all[2]!.account}}:7`)
    const id = `${await cluster.admins[primary]!.call('CLUSTER', 'MYID')}`
    for (const admin of cluster.admins) {
      const nodes = `${await admin.call('CLUSTER', 'NODES')}`
      if (nodes.split('\n').some((line) => line.includes('myself,slave') && line.includes(id))) await admin.call('CLUSTER', 'FAILOVER')
    }
    await until('another has it', async () => (await cluster.ownerOf(`postern:poke:{${all[2]!.account}}:7`)) !== primary, 10_000)
    for (const talk of all) await until('all flow', () => talk.flows(), 15_000)
    await until('the bus is whole', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0, 15_000)
  })

  test('all of it gone and back: each process by itself meanwhile, and together after', async () => {
    const all = await talks()
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    const SLOW = { burst: 5, perSecond: 1 / 600 }
    for (let i = 0; i < 10; i++) assert.equal((await a.throttle.take('alone', SLOW)).ok, i < 5)
    await until('the bus says so', () => a.bus.silentFor() > 3_000, 8_000)
    await Promise.all(cluster.nodes.map((node) => node.start()))
    for (const talk of all) await until('all flow', () => talk.flows(), 60_000)
    await until('the bus is whole', () => a.bus.silentFor() === 0 && b.bus.silentFor() === 0, 30_000)
  })
})
