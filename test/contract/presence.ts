/** What every Presence must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Presence, Session } from '../../src/store/presence.ts'
import type { AccountId } from '../../src/store/types.ts'
import { type MakeEnds, pause, until, withEnds } from './ends.ts'

const alice = 1 as AccountId
const bob = 2 as AccountId
const from = (remote: string, more: Partial<Session> = {}): Session => ({ service: 'imaps', remote, ...more })

/** Leaving is not waited for, so room appears soon rather than at once. */
const entersSoon = (p: Presence, session: Session, limits: { perRemote?: number; perAccount?: number }): Promise<void> =>
  until('there is room again', async () => (await p.enter(session, limits)) !== undefined)

export function presenceContract(make: MakeEnds<Presence>): void {
  test('a limit per client address holds over all processes', () =>
    withEnds(make, async ({ a, b }) => {
      const limits = { perRemote: 3 }
      const leave = await a.enter(from('192.0.2.1'), limits)
      assert.ok(leave)
      assert.ok(await b.enter(from('192.0.2.1'), limits))
      assert.ok(await a.enter(from('192.0.2.1'), limits))
      assert.equal(await a.enter(from('192.0.2.1'), limits), undefined)
      assert.equal(await b.enter(from('192.0.2.1'), limits), undefined)
      assert.ok(await b.enter(from('192.0.2.2'), limits))
      leave()
      await entersSoon(b, from('192.0.2.1'), limits)
      assert.equal(await a.enter(from('192.0.2.1'), limits), undefined)
    }))

  test('a refused session does not count, and leaving twice counts once', () =>
    withEnds(make, async ({ a, b }) => {
      const limits = { perRemote: 2 }
      const leave = await a.enter(from('192.0.2.1'), limits)
      assert.ok(await b.enter(from('192.0.2.1'), limits))
      for (let i = 0; i < 20; i++) assert.equal(await b.enter(from('192.0.2.1'), limits), undefined)
      leave?.()
      leave?.()
      await entersSoon(b, from('192.0.2.1'), limits)
      assert.equal(await b.enter(from('192.0.2.1'), limits), undefined)
      assert.equal(await a.enter(from('192.0.2.1'), limits), undefined)
    }))

  test('one /64 is one client', () =>
    withEnds(make, async ({ a, b }) => {
      assert.ok(await a.enter(from('2001:db8:1:2::1'), { perRemote: 1 }))
      assert.equal(await b.enter(from('2001:db8:1:2:ffff::9'), { perRemote: 1 }), undefined)
      assert.ok(await b.enter(from('2001:db8:1:3::1'), { perRemote: 1 }))
    }))

  test('a limit per account holds from every address', () =>
    withEnds(make, async ({ a, b }) => {
      const limits = { perAccount: 2 }
      assert.ok(await a.enter(from('192.0.2.1', { account: alice }), limits))
      assert.ok(await b.enter(from('192.0.2.2', { account: alice }), limits))
      assert.equal(await a.enter(from('192.0.2.3', { account: alice }), limits), undefined)
      assert.ok(await a.enter(from('192.0.2.3', { account: bob }), limits))
    }))

  test('services count apart', () =>
    withEnds(make, async ({ a, b }) => {
      assert.ok(await a.enter(from('192.0.2.1'), { perRemote: 1 }))
      assert.ok(await b.enter(from('192.0.2.1', { service: 'pop3s' }), { perRemote: 1 }))
      assert.equal(await b.enter(from('192.0.2.1', { service: 'pop3s' }), { perRemote: 1 }), undefined)
    }))

  test('a session counts only towards the limits it names', () =>
    withEnds(make, async ({ a }) => {
      for (let i = 0; i < 5; i++) assert.ok(await a.enter(from('192.0.2.1', { account: alice }), {}))
      assert.ok(await a.enter(from('192.0.2.1'), { perRemote: 1 }))
      assert.ok(await a.enter(from('192.0.2.1', { account: alice }), { perAccount: 1 }))
      assert.equal(await a.enter(from('192.0.2.1', { account: alice }), { perAccount: 1 }), undefined)
    }))

  test('refused by one limit, a session takes no place under the other', () =>
    withEnds(make, async ({ a, b }) => {
      const both = { perRemote: 2, perAccount: 1 }
      assert.ok(await a.enter(from('192.0.2.1', { account: alice }), both))
      for (let i = 0; i < 5; i++) assert.equal(await b.enter(from('192.0.2.1', { account: alice }), both), undefined)
      await entersSoon(b, from('192.0.2.1', { account: bob }), both)
    }))

  test('of many at once, from both processes, exactly the limit get in', () =>
    withEnds(make, async ({ a, b }) => {
      const all = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? a : b).enter(from('192.0.2.1'), { perRemote: 10 })))
      const entered = all.filter((leave) => leave !== undefined)
      assert.equal(entered.length, 10)
    }))

  test('kick ends the sessions of the account, in every process, and no others', () =>
    withEnds(make, async ({ a, b }) => {
      const kicked: string[] = []
      const session = (name: string, account: AccountId): Session => from('192.0.2.1', { account, kick: (why) => kicked.push(`${name}: ${why}`) })
      await a.enter(session('here', alice), {})
      await b.enter(session('there', alice), {})
      await a.enter(session('other', bob), {})
      const leave = await a.enter(session('left', alice), {})
      leave?.()
      await pause(50)
      b.kick(alice, 'password changed')
      await until('both are kicked', () => kicked.length >= 2)
      await pause(20)
      assert.deepEqual(kicked.sort(), ['here: password changed', 'there: password changed'])
    }))

  test('a kick may leave from within, and one that throws harms no other', () =>
    withEnds(make, async ({ a }) => {
      let ended = 0
      let leave: (() => void) | undefined
      await a.enter(
        from('192.0.2.1', {
          account: alice,
          kick: () => {
            throw new Error('a kick of the test')
          },
        }),
        {},
      )
      leave = await a.enter(
        from('192.0.2.1', {
          account: alice,
          kick: () => {
            ended++
            leave?.()
          },
        }),
        { perAccount: 1 },
      )
      a.kick(alice, 'disabled')
      await until('the second is ended', () => ended === 1)
      await entersSoon(a, from('192.0.2.1', { account: alice }), { perAccount: 1 })
    }))
}
