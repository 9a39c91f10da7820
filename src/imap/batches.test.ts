import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AppendRow, CHANGE_KINDS, packAppend, packExpunge, unpackChange } from '../store/change.ts'
import { NO_FLAGS } from '../store/flags.ts'
import { MailboxIndex } from '../store/index.ts'
import { type AccountId, asUid, type MailboxId, type ModSeq } from '../store/types.ts'
import { toRanges } from '../store/uidset.ts'
import { View } from '../store/view.ts'
import { batchesOf } from './batches.ts'
import { uidbatches } from './commands/uidbatches.ts'
import { No } from './reply.ts'
import type { Session } from './session.ts'

const ALL = { first: 1, last: Number.MAX_SAFE_INTEGER }
const ROW: AppendRow = { content: 1n, date: 0, size: 1, flags: NO_FLAGS, mid: 0 }
const empty = () =>
  new MailboxIndex({
    account: 1 as AccountId,
    mailbox: 1 as MailboxId,
    uidvalidity: 1,
    incarnation: 1,
    modseq: 1 as ModSeq,
    uidnext: asUid(1),
    keywords: [],
  })
const next = (index: MailboxIndex) => (index.modseq + 1) as ModSeq
function append(index: MailboxIndex, n: number): void {
  const rows = Array.from({ length: n }, () => ROW)
  assert.ok(index.apply(unpackChange(next(index), CHANGE_KINDS.append, index.uidnext, packAppend(rows, 5, []))))
}
const expunge = (index: MailboxIndex, uids: readonly number[]) =>
  assert.ok(index.apply(unpackChange(next(index), CHANGE_KINDS.expunge, asUid(0), packExpunge(toRanges(uids)))))
const uidsOf = (view: View): number[] => Array.from({ length: view.exists }, (_, i) => view.uidAt(i + 1)!)

describe('batchesOf', () => {
  test('whatever went, told or not: equally many in each, every message in one, down to 1', () => {
    let seed = 7
    const random = (n: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed % n
    }
    for (let run = 0; run < 60; run++) {
      const index = empty()
      append(index, 1 + random(3000))
      const some = () => Array.from({ length: index.uidnext - 1 }, (_, i) => i + 1).filter((uid) => index.find(uid) && random(8) === 0)
      if (run % 3 > 0)
        expunge(
          index,
          [...some(), ...(random(2) ? [index.uidnext - 1] : [])].sort((a, b) => a - b).filter((uid, i, all) => uid !== all[i - 1]),
        )
      const view = new View(index)
      if (run % 2 > 0 && index.exists > 0)
        expunge(index, [index.segments[0]!.uids[0]!, ...some().filter((uid) => uid !== index.segments[0]!.uids[0]!)])
      append(index, random(50) + 1)
      const there = uidsOf(view).filter((uid) => index.find(uid))
      const size = 1 + random(700)
      const batches = batchesOf(view, size, ALL)
      assert.equal(batches.length, Math.ceil(there.length / size))
      batches.forEach(([high, low], i) => {
        const within = there.filter((uid) => uid >= low && uid <= high)
        assert.equal(within.length, i < batches.length - 1 ? size : there.length - size * i)
        assert.equal(high, i === 0 ? there.at(-1) : batches[i - 1]![1] - 1)
      })
      if (batches.length > 0) assert.equal(batches.at(-1)![1], 1)
      const [first, last] = [1 + random(batches.length + 2), 1 + random(batches.length + 2)]
      assert.deepEqual(batchesOf(view, size, { first, last }), batches.slice(first - 1, Math.max(first - 1, last)))
    }
  })

  test('a million messages: no more are asked for than there are batches; more ranges than fit are refused', () => {
    const index = empty()
    for (let i = 0; i < 101; i++) append(index, 10_000)
    const view = new View(index)
    let asked = 0
    const { uidAt } = view
    view.uidAt = (msn) => {
      asked++
      return uidAt.call(view, msn)
    }
    const batches = batchesOf(view, 500, ALL)
    assert.equal(asked, 2020)
    assert.equal(batches.length, 2020)
    assert.deepEqual(
      [batches[0], batches.at(-1)],
      [
        [1_010_000, 1_009_501],
        [500, 1],
      ],
    )
    const run = (wanted: typeof ALL | undefined) => () =>
      uidbatches.run({ selected: { view } } as unknown as Session, { size: 500, wanted }, { name: 'UIDBATCHES', by: 'msn', tag: 'a' })
    const refusal = (error: unknown) => error instanceof No && error.code?.[0] === 'TOOMANY'
    assert.throws(run(undefined), refusal)
    assert.throws(run({ first: 20, last: 2020 }), refusal)
  })
})
