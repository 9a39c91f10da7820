/** What every Bus must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bus, Topic } from '../../src/store/bus.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { type MakeEnds, pause, until, withEnds } from './ends.ts'

const topic = (account: number, of: number | 'names' | 'login'): Topic => ({ account: account as AccountId, of: of as MailboxId | 'names' | 'login' })

/** Watches, and waits until a poke from `far` comes through, so that what follows does not depend on how long a subscription takes. */
async function ear(at: Bus, far: Bus, on: Topic): Promise<{ heard: number[]; stop: () => void }> {
  const heard: number[] = []
  const stop = at.watch(on, (n) => heard.push(n))
  await until('the first poke is heard', async () => {
    far.poke(on, 1)
    await pause(5)
    return heard.includes(1)
  })
  await pause(30)
  heard.length = 0
  return { heard, stop }
}

export function busContract(make: MakeEnds<Bus>): void {
  test('a poke reaches a watcher in another process', () =>
    withEnds(make, async ({ a, b }) => {
      const { heard } = await ear(a, b, topic(1, 42))
      b.poke(topic(1, 42), 918)
      await until('918 is heard', () => heard.includes(918))
    }))

  test('a poke reaches the watchers of its own process, later and not within poke', () =>
    withEnds(make, async ({ a }) => {
      const heard: number[] = []
      a.watch(topic(1, 'names'), (at) => heard.push(at))
      a.poke(topic(1, 'names'), 7)
      assert.equal(heard.length, 0)
      await until('7 is heard', () => heard.includes(7))
    }))

  test('a watcher hears its own topic only: no other account, no other mailbox', () =>
    withEnds(make, async ({ a, b }) => {
      const { heard } = await ear(a, b, topic(1, 42))
      for (const other of [topic(2, 42), topic(1, 43), topic(1, 'names'), topic(1, 'login'), topic(14, 2)]) b.poke(other, 99)
      b.poke(topic(1, 42), 100)
      await until('100 is heard', () => heard.includes(100))
      await pause(20)
      assert.ok(!heard.includes(99))
    }))

  test('of many pokes the last one is heard, and the highest', () =>
    withEnds(make, async ({ a, b }) => {
      const { heard } = await ear(a, b, topic(1, 42))
      for (let at = 2; at <= 500; at++) b.poke(topic(1, 42), at)
      await until('500 is heard', () => heard.includes(500))
      assert.equal(Math.max(...heard), 500)
    }))

  test('a stopped watcher hears nothing more; others on the topic go on', () =>
    withEnds(make, async ({ a, b }) => {
      const first = await ear(a, b, topic(1, 42))
      const second: number[] = []
      a.watch(topic(1, 42), (at) => second.push(at))
      first.stop()
      first.stop()
      b.poke(topic(1, 42), 5)
      await until('5 is heard', () => second.includes(5))
      assert.deepEqual(first.heard, [])
    }))

  test('watching again after the last one stopped works', () =>
    withEnds(make, async ({ a, b }) => {
      for (let round = 0; round < 3; round++) {
        const { heard, stop } = await ear(a, b, topic(1, 42))
        b.poke(topic(1, 42), 9)
        await until('9 is heard', () => heard.includes(9))
        stop()
      }
    }))

  test('one function may watch twice, and stops once', () =>
    withEnds(make, async ({ a }) => {
      let n = 0
      const heard = (at: number) => {
        if (at === 3) n++
      }
      const stop = a.watch(topic(1, 42), heard)
      a.watch(topic(1, 42), heard)
      a.poke(topic(1, 42), 3)
      await until('both hear', () => n >= 2)
      stop()
      n = 0
      a.poke(topic(1, 42), 3)
      await until('one hears', () => n >= 1)
    }))

  test('a watcher that throws harms no other', () =>
    withEnds(make, async ({ a }) => {
      const heard: number[] = []
      a.watch(topic(1, 42), () => {
        throw new Error('a watcher of the test')
      })
      a.watch(topic(1, 42), (at) => heard.push(at))
      a.poke(topic(1, 42), 4)
      await until('4 is heard', () => heard.includes(4))
    }))

  test('a watcher may poke and stop from within', () =>
    withEnds(make, async ({ a }) => {
      const heard: number[] = []
      const stop = a.watch(topic(1, 42), (at) => {
        if (at === 0) return
        heard.push(at)
        if (at < 3) a.poke(topic(1, 42), at + 1)
        else stop()
      })
      a.poke(topic(1, 42), 1)
      await until('3 is heard', () => heard.includes(3))
      a.poke(topic(1, 42), 4)
      await pause(20)
      assert.ok(!heard.includes(4))
    }))

  test('a whole bus says that nothing was lost', () =>
    withEnds(make, async ({ a, b }) => {
      const { stop } = await ear(a, b, topic(1, 42))
      await until('silentFor is 0', () => a.silentFor() === 0 && b.silentFor() === 0)
      stop()
    }))

  test('after close poke and watch are harmless', async () => {
    const ends = await make()
    await ends.close()
    ends.a.poke(topic(1, 42), 1)
    ends.a.watch(topic(1, 42), () => assert.fail('a closed bus spoke'))()
    await pause(10)
  })
}
