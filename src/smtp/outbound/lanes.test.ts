import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../../test/support/random.ts'
import type { AccountId } from '../../store/types.ts'
import { type Lane, Lanes } from './lanes.ts'

const account = (n: number): AccountId => n as AccountId
const LIMITS = { total: 10, perDomain: 3, perAccount: 6 }

test('whatever comes and goes, nobody has more than his places, and every place comes back', () => {
  const random = seeded(1)
  const lanes = new Lanes(LIMITS)
  const inside: { lane: Lane; domain: string; account: AccountId }[] = []
  const reached = new Set<string>()
  let refused = 0
  for (let step = 0; step < 20_000; step++) {
    const one = inside[random(Math.max(inside.length, 1))]
    switch (random(4)) {
      case 0:
      case 1: {
        const due = { domain: `d${random(5)}.test`, account: account(random(4)) }
        const lane = lanes.enter(due)
        if (lane) inside.push({ lane, ...due })
        else refused++
        break
      }
      case 2:
        if (!one) break
        assert.equal(one.lane.reached(), !reached.has(one.domain))
        reached.add(one.domain)
        break
      default:
        if (!one) break
        one.lane.leave()
        inside.splice(inside.indexOf(one), 1)
        if (!inside.some(({ domain }) => domain === one.domain)) reached.delete(one.domain)
    }
    const by = <K>(key: (one: (typeof inside)[number]) => K) => [...Map.groupBy(inside, key).values()]
    assert.equal(lanes.free, LIMITS.total - inside.length)
    assert.ok(inside.length <= LIMITS.total)
    assert.ok(by((one) => one.account).every((all) => all.length <= LIMITS.perAccount))
    // One alone until somebody was reached; a domain that all have left begins anew.
    assert.ok(by((one) => one.domain).every((all) => all.length <= (reached.has(all[0]!.domain) ? LIMITS.perDomain : 1)))
  }
  assert.ok(refused > 1_000)
  for (const { lane } of inside) lane.leave()
  assert.deepEqual([lanes.free, lanes.full], [LIMITS.total, { domains: [], accounts: [] }])
})

test('a domain that refuses one of several has so many and no more; one that refuses the only one is not there', () => {
  const lanes = new Lanes(LIMITS)
  const due = { domain: 'one.test', account: account(1) }
  const first = lanes.enter(due)!
  assert.equal(lanes.enter(due), undefined)
  assert.deepEqual([first.reached(), first.reached()], [true, false])
  const [second, third] = [lanes.enter(due)!, lanes.enter(due)!]
  assert.equal(third.refused(), false)
  third.leave()
  assert.equal(lanes.enter(due), undefined)
  assert.deepEqual(lanes.full.domains, ['one.test'])
  second.leave()
  assert.ok(lanes.enter(due))
  const alone = new Lanes(LIMITS).enter(due)!
  assert.equal(alone.refused(), true)
})

test('who has the fewest places comes first', () => {
  const lanes = new Lanes(LIMITS)
  for (let i = 0; i < 3; i++) lanes.enter({ domain: `a${i}.test`, account: account(1) })
  lanes.enter({ domain: 'b.test', account: account(2) })
  const due = [1, 2, 3].map((n) => ({ domain: `x${n}.test`, account: account(n) }))
  assert.deepEqual(
    lanes.inTurn(due).map((one) => Number(one.account)),
    [3, 2, 1],
  )
})
