/** What every Snapshots must do. It may forget, but never mix things up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Snapshots } from '../../src/store/snapshots.ts'
import type { AccountId, MailboxId } from '../../src/store/types.ts'
import { type MakeEnds, pause, until, withEnds } from './ends.ts'

const account = (n: number): AccountId => n as AccountId
const mailbox = (n: number): MailboxId => n as MailboxId

export function snapshotsContract(make: MakeEnds<Snapshots>): void {
  const soon = (s: Snapshots, a: number, m: number, expected: Buffer): Promise<void> =>
    until('the snapshot is there', async () => (await s.get(account(a), mailbox(m)))?.equals(expected) ?? false)

  test('what was put is got, by any process, byte for byte', () =>
    withEnds(make, async ({ a, b }) => {
      const packed = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i & 255))
      a.put(account(1), mailbox(7), 10, packed)
      await soon(a, 1, 7, packed)
      await soon(b, 1, 7, packed)
    }))

  test('nothing is got where nothing was put', () =>
    withEnds(make, async ({ a, b }) => {
      a.put(account(1), mailbox(23), 1, Buffer.from('x'))
      await soon(b, 1, 23, Buffer.from('x'))
      for (const [acc, box] of [
        [12, 3],
        [2, 23],
        [1, 2],
        [1, 24],
      ] as const)
        assert.equal(await b.get(account(acc), mailbox(box)), undefined)
    }))

  test('the newer one wins, whichever comes last', () =>
    withEnds(make, async ({ a, b }) => {
      a.put(account(1), mailbox(7), 5, Buffer.from('five'))
      await soon(b, 1, 7, Buffer.from('five'))
      b.put(account(1), mailbox(7), 9, Buffer.from('nine'))
      await soon(a, 1, 7, Buffer.from('nine'))
      a.put(account(1), mailbox(7), 6, Buffer.from('six'))
      await pause(50)
      assert.equal((await b.get(account(1), mailbox(7)))?.toString(), 'nine')
    }))

  test('the bytes are a copy of a slice', () =>
    withEnds(make, async ({ a }) => {
      const big = Buffer.alloc(1_000, 1)
      a.put(account(1), mailbox(7), 1, big.subarray(10, 20))
      big.fill(2)
      await soon(a, 1, 7, Buffer.alloc(10, 1))
    }))

  test('an empty one can be kept', () =>
    withEnds(make, async ({ a, b }) => {
      a.put(account(1), mailbox(7), 1, Buffer.alloc(0))
      await soon(b, 1, 7, Buffer.alloc(0))
    }))
}
