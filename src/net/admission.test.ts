import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission, type AdmissionLimits, DEFAULT_LIMITS, MAX_NETWORKS, type Ticket } from './admission.ts'

function door(limits: Partial<AdmissionLimits>) {
  let now = 0
  const admission = new Admission(
    { ...DEFAULT_LIMITS, ...limits },
    (remote) => (remote.includes(':') ? `${remote.split(':').slice(0, 4).join(':')}::/64` : remote),
    () => now,
  )
  return {
    admission,
    pass: (ms: number) => {
      now += ms
    },
    enter: (remote: string): Ticket => {
      const ticket = admission.enter(remote)
      assert.ok(typeof ticket !== 'string', `${remote} was refused: ${ticket}`)
      return ticket
    },
    refused: (remote: string) => {
      const ticket = admission.enter(remote)
      assert.equal(typeof ticket, 'string', `${remote} was let in`)
      return ticket
    },
  }
}

test('connections of one address, freed by leaving once', () => {
  const { enter, refused } = door({ perRemote: 2 })
  const first = enter('192.0.2.1')
  enter('192.0.2.1')
  assert.equal(refused('192.0.2.1'), 'per-remote')
  enter('192.0.2.2')
  first.leave()
  first.leave()
  enter('192.0.2.1')
  assert.equal(refused('192.0.2.1'), 'per-remote')
})

test('connections in all, and before login', () => {
  const { admission, enter, refused } = door({ total: 3, preAuth: 2 })
  const first = enter('192.0.2.1')
  const second = enter('192.0.2.2')
  assert.equal(refused('192.0.2.3'), 'pre-auth')
  first.admitted()
  first.admitted()
  enter('192.0.2.3')
  second.admitted()
  assert.equal(refused('192.0.2.4'), 'total')
  first.leave()
  enter('192.0.2.4')
  assert.equal(admission.connections, 3)
})

test('new connections a minute', () => {
  const { enter, refused, pass } = door({ newPerMinute: 3 })
  for (let i = 0; i < 3; i++) enter('192.0.2.1').leave()
  assert.equal(refused('192.0.2.1'), 'rate')
  enter('192.0.2.2')
  pass(20_000)
  enter('192.0.2.1').leave()
  assert.equal(refused('192.0.2.1'), 'rate')
  pass(3_600_000)
  for (let i = 0; i < 3; i++) enter('192.0.2.1').leave()
  assert.equal(refused('192.0.2.1'), 'rate')
})

test('an IPv6 /64 is one client, and a /48 gets three times as much', () => {
  const { enter, refused } = door({ perRemote: 2 })
  enter('2001:db8:1:1::1')
  enter('2001:db8:1:1::2')
  assert.equal(refused('2001:db8:1:1::3'), 'per-remote')
  for (const subnet of [2, 3, 4, 5]) enter(`2001:db8:1:${subnet}::1`)
  assert.equal(refused('2001:db8:1:6::1'), 'per-remote')
  enter('2001:db8:2:1::1')
})

test('exempt addresses have no limits of their own, but count in all', () => {
  const { enter, refused } = door({ perRemote: 1, newPerMinute: 1, total: 5 })
  for (let i = 0; i < 4; i++) enter('127.0.0.1')
  enter('::1')
  assert.equal(refused('127.0.0.1'), 'total')
  assert.equal(door({ perRemote: 0 }).refused('127.0.0.2'), 'per-remote')
})

test('only so many networks are remembered', () => {
  const { enter, refused } = door({ newPerMinute: 1, total: 1 })
  enter('192.0.2.1').leave()
  for (let i = 0; i < MAX_NETWORKS - 1; i++) enter(`n${i}`).leave()
  assert.equal(refused('192.0.2.1'), 'rate')
  for (let i = 0; i < MAX_NETWORKS; i++) enter(`m${i}`).leave()
  enter('192.0.2.1').leave()
})

test('many clients behind one address: half of everything is theirs, without a rate', () => {
  const { enter, refused } = door({ perRemote: 1, newPerMinute: 1, total: 8, preAuth: 4, shared: ['172.17.0.1'] })
  const first = enter('172.17.0.1')
  enter('172.17.0.1').admitted()
  enter('172.17.0.1')
  assert.equal(refused('172.17.0.1'), 'per-remote', 'before login')
  first.leave()
  enter('172.17.0.1').admitted()
  enter('172.17.0.1').admitted()
  assert.equal(refused('172.17.0.1'), 'per-remote', 'in all')
  enter('192.0.2.1')
  assert.equal(refused('192.0.2.1'), 'per-remote')
})

test("the house's own connections count in all, and in nothing else", () => {
  const { admission, refused } = door({ perRemote: 1, newPerMinute: 1, total: 3, exempt: [] })
  for (let i = 0; i < 3; i++) assert.equal(typeof admission.enter('192.0.2.1', true), 'object')
  assert.equal(refused('192.0.2.2'), 'total')
})
