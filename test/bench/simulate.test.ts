/** The simulation of bench/scale against what queueing theory says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Costs, OPERATIONS } from '../../bench/scale/measure.ts'
import { HOST, OFFICE, SHARD } from '../../bench/scale/profile.ts'
import { arrivals, chance, load, plan, Queue, rates, simulate } from '../../bench/scale/simulate.ts'

const operations = Object.fromEntries(OPERATIONS.map((op) => [op, { postern: 10, postgres: 5, wal: 1000 }])) as Costs['operations']
const costs: Costs = { operations, sessionOctets: 65_536, processOctets: 150e6, smallOctets: 6_000, largeOctets: 400_000 }

test('one server with constant service waits as Pollaczek and Khinchine say', () => {
  const nothing = Object.fromEntries(OPERATIONS.map((op) => [op, 0])) as ReturnType<typeof rates>
  const queue = new Queue(1)
  const jobs = arrivals({ ...nothing, read: 700 }, 600, chance(7))
  const waited = jobs.reduce((sum, { at }) => sum + queue.serve(at, 1).waited, 0) / jobs.length
  // M/D/1: rho / (2 (1 - rho)) of the service time, rho = 0.7.
  const expected = 0.7 / (2 * 0.3)
  assert.ok(Math.abs(waited - expected) < expected * 0.05, `${waited} ms, not ${expected}`)
})

test('arrivals come as often as they should, in order', () => {
  const jobs = arrivals(rates(100_000, OFFICE), 20, chance(3))
  const perSecond = Object.values(rates(100_000, OFFICE)).reduce((a, b) => a + b, 0)
  assert.ok(Math.abs(jobs.length / 20 / perSecond - 1) < 0.03)
  assert.ok(jobs.every(({ at }, i) => i === 0 || at >= jobs[i - 1]!.at))
})

test('a plan leaves room with one host down, more mailboxes never need less, too few hosts wait', () => {
  let hosts = 0
  for (const mailboxes of [50, 1_000, 100_000, 1_000_000]) {
    const site = plan(mailboxes, OFFICE, costs, { host: HOST, shard: SHARD })
    const busy = load(site, OFFICE, costs, site.hosts > 1 ? 1 : 0)
    assert.ok(busy.host <= 0.6 && busy.shard <= 0.6, `${mailboxes}: ${JSON.stringify(busy)}`)
    assert.ok(site.hosts >= hosts)
    hosts = site.hosts
  }
  const site = plan(1_000_000, OFFICE, costs, { host: HOST, shard: SHARD })
  const short = { ...site, hosts: Math.max(2, Math.floor(load(site, OFFICE, costs).host * site.hosts)) }
  assert.ok(simulate(short, OFFICE, costs).p99 > 10 * (1 + simulate(site, OFFICE, costs).p99))
})

test('the same seed says the same', () => {
  const site = plan(10_000, OFFICE, costs, { host: HOST, shard: SHARD })
  assert.deepEqual(simulate(site, OFFICE, costs, 5), simulate(site, OFFICE, costs, 5))
})
