import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AppendRow, Change } from './change.ts'
import { CHANGE_KINDS, packAppend, packExpunge, packFlags, unpackChange } from './change.ts'
import { DELETED, FLAGGED, NO_FLAGS, SEEN } from './flags.ts'
import { MailboxIndex, SEGMENT_ROWS } from './index.ts'
import { type AccountId, asUid, type MailboxId, type ModSeq, midOf } from './types.ts'
import { normalise, toRanges } from './uidset.ts'
import { View } from './view.ts'

const MAILBOX = 7 as MailboxId
const empty = () =>
  new MailboxIndex({
    account: 1 as AccountId,
    mailbox: MAILBOX,
    uidvalidity: 1,
    incarnation: 1,
    modseq: 1 as ModSeq,
    uidnext: asUid(1),
    keywords: [],
  })

const row = (n: number): AppendRow => ({ content: BigInt(n), date: n * 1000, size: n, flags: NO_FLAGS, mid: 0 })
/** Through the packed form, as every change of the log comes. */
const packed = (change: Change): Change => {
  switch (change.kind) {
    case 'append':
      throw new TypeError('see `append`')
    case 'flags':
      return unpackChange(change.modseq, 2, asUid(0), packFlags(change.uids, change.add, change.remove, change.keywords))
    case 'expunge':
      return unpackChange(change.modseq, 3, asUid(0), packExpunge(change.uids))
    case 'gap':
      return unpackChange(change.modseq, 4, asUid(0), Buffer.alloc(0))
  }
}
const next = (index: MailboxIndex) => (index.modseq + 1) as ModSeq
const append = (index: MailboxIndex, n: number) => {
  const rows = Array.from({ length: n }, (_, i) => row(index.uidnext + i))
  assert.ok(index.apply(unpackChange(next(index), CHANGE_KINDS.append, index.uidnext, packAppend(rows, 5, []))))
}
const expunge = (index: MailboxIndex, ...uids: number[]) =>
  assert.ok(index.apply(packed({ kind: 'expunge', modseq: next(index), uids: toRanges(uids) })))
const flag = (index: MailboxIndex, add: number, ...uids: number[]) =>
  assert.ok(
    index.apply(packed({ kind: 'flags', modseq: next(index), uids: toRanges(uids), add: { lo: add, hi: 0 }, remove: NO_FLAGS, keywords: [] })),
  )

describe('MailboxIndex', () => {
  test('takes only the very next change', () => {
    const index = empty()
    append(index, 2)
    const at = index.modseq
    assert.equal(index.apply({ kind: 'expunge', modseq: (at + 2) as ModSeq, uids: [1, 1] }), false)
    assert.equal(index.apply({ kind: 'expunge', modseq: at, uids: [1, 1] }), false)
    assert.equal(index.apply({ kind: 'gap', modseq: (at + 1) as ModSeq }), false)
    assert.equal(index.modseq, at)
    assert.equal(index.exists, 2)
  })

  test('a row says what its append said', () => {
    const index = empty()
    append(index, 3)
    const { segment, row: at } = index.find(2)!
    assert.deepEqual(segment.row(at), {
      uid: 2,
      mid: midOf(MAILBOX, asUid(2)),
      content: 2n,
      flags: NO_FLAGS,
      modseq: 2,
      size: 2,
      date: 2000,
      saved: 5,
    })
    assert.equal(index.find(4), undefined)
    assert.equal(index.find(0), undefined)
  })

  test('keywords come with the change that brings them', () => {
    const index = empty()
    append(index, 1)
    const change = {
      kind: 'flags',
      modseq: next(index),
      uids: [1, 1],
      add: { lo: 32, hi: 0 },
      remove: NO_FLAGS,
      keywords: ['$Junk', 'naïve'],
    } as const
    assert.ok(index.apply(packed(change)))
    assert.deepEqual(index.keywords, ['$Junk', 'naïve'])
  })
})

describe('View', () => {
  test('stands still until it is pulled', () => {
    const index = empty()
    append(index, 5)
    const view = new View(index)
    expunge(index, 2, 4)
    append(index, 2)
    assert.equal(view.exists, 5)
    assert.equal(view.uidAt(4), 4)
    assert.equal(view.msnOf(4), 4)
    assert.equal(view.placeAt(4)?.segment.uids[view.placeAt(4)!.row], 4)
    const held = view.pull({ expunges: false })
    assert.deepEqual([held.expunged, held.exists], [[], 7])
    assert.equal(view.uidAt(6), 6)
    assert.equal(view.uidAt(7), 7)
    const told = view.pull({ expunges: true })
    assert.deepEqual(
      told.expunged.map((e) => e.msn),
      [4, 2],
    )
    assert.equal(told.exists, undefined)
    assert.equal(view.exists, 5)
    assert.deepEqual(view.uids('msn', [1, 5]), [1, 1, 3, 3, 5, 7])
  })

  test('flags: told once, with the number they have after the expunges, silent ones never', () => {
    const index = empty()
    append(index, 4)
    const view = new View(index)
    flag(index, SEEN, 3)
    const own = index.modseq
    flag(index, FLAGGED, 4)
    expunge(index, 1)
    const news = view.pull({ expunges: true, silent: new Set([own]) })
    assert.deepEqual(
      news.flags.map((f) => [f.msn, f.segment.uids[f.row], f.segment.lo[f.row]]),
      [[3, 4, FLAGGED]],
    )
    assert.equal(view.stale, false)
    assert.deepEqual(view.pull({ expunges: true }).flags, [])
  })

  test('goes on with another incarnation unless that has a message again which the session was told is gone', () => {
    const index = empty()
    append(index, 4)
    expunge(index, 1)
    const view = new View(index)
    expunge(index, 2)
    const another = (...uids: number[]) => {
      const made = new MailboxIndex({ ...index, incarnation: 2 })
      for (const uid of uids) made.addRow(uid, midOf(MAILBOX, asUid(uid)), BigInt(uid), 0, 0, 2, 1, 0, 0)
      return made
    }
    // 2 was not told yet, 4 was lost, 9 is new.
    assert.equal(view.rebase(another(2, 3, 9)), true)
    assert.equal(new View(index).rebase(another(3, 4)), true)
    assert.equal(new View(index).rebase(another(1, 3, 4)), false)
    assert.equal(new View(index).rebase(another(2, 3, 4)), false)
    // 4 was the last one.
    expunge(index, 4)
    view.rebase(index)
    assert.deepEqual(
      view.pull({ expunges: true }).expunged.map(({ uid }) => uid),
      [4, 2],
    )
    assert.equal(view.rebase(another(3, 4)), false)
    assert.deepEqual([view.pull({ expunges: true }), view.uidAt(1), view.exists], [{ expunged: [], exists: undefined, flags: [] }, 3, 1])
  })

  test('a message that is gone shows its last flags, one that is not shows its new ones', () => {
    const index = empty()
    append(index, 3)
    const view = new View(index)
    flag(index, DELETED, 2)
    expunge(index, 2)
    flag(index, SEEN, 3)
    const lo = [1, 2, 3].map((msn) => view.placeAt(msn)!).map((place) => place.segment.lo[place.row])
    assert.deepEqual(lo, [0, DELETED, SEEN])
    assert.deepEqual(
      [...view.spans('msn', [1, 3])].map((s) => [s.msn, s.segment.lo[s.from]]),
      [
        [1, 0],
        [2, DELETED],
        [3, SEEN],
      ],
    )
  })

  test('another index of the same mailbox takes over', () => {
    const index = empty()
    append(index, 4)
    const view = new View(index)
    const loaded = new MailboxIndex({ ...index, modseq: (index.modseq + 9) as ModSeq, uidnext: asUid(6) })
    for (const uid of [1, 3, 5]) loaded.addRow(uid, uid, BigInt(uid), uid === 3 ? SEEN : 0, 0, uid === 3 ? 9 : 2, 1, 1, 1)
    index.retire()
    view.rebase(loaded)
    const news = view.pull({ expunges: true })
    assert.deepEqual(
      news.expunged.map((e) => e.uid),
      [4, 2],
    )
    assert.equal(news.exists, 3)
    assert.deepEqual(
      news.flags.map((f) => f.segment.uids[f.row]),
      [3],
    )
  })

  /** Against a list: 4,000 random steps over several segments, four views pulled at random. */
  for (const seed of [1, 2, 3]) {
    test(`agrees with a plain list, seed ${seed}`, () => {
      let state = seed
      const random = (n: number) => {
        state = (state + 0x6d2b79f5) | 0
        const mixed = Math.imul(state ^ (state >>> 15), 1 | state)
        return ((mixed ^ (mixed >>> 14)) >>> 0) % n
      }
      const index = empty()
      append(index, SEGMENT_ROWS + 200)
      const sessions = Array.from({ length: 4 }, () => ({ view: new View(index), list: Array.from({ length: index.exists }, (_, i) => i + 1) }))
      for (let step = 0; step < 4000; step++) {
        const alive = index.segments.flatMap((s) => [...s.uids.subarray(0, s.count)])
        const some = () => normalise(Array.from({ length: 1 + random(5) }, () => alive[random(alive.length)]!).flatMap((uid) => [uid, uid]))
        const what = random(10)
        if (what < 4) append(index, 1 + random(4))
        else if (what < 7 && alive.length > 0) {
          const uids = some()
          assert.ok(index.apply(packed({ kind: 'expunge', modseq: next(index), uids })))
        } else if (alive.length > 0) {
          const uids = some()
          assert.ok(index.apply(packed({ kind: 'flags', modseq: next(index), uids, add: { lo: SEEN, hi: 0 }, remove: NO_FLAGS, keywords: [] })))
        }
        const session = sessions[random(4)]!
        const expunges = random(3) > 0
        const news = session.view.pull({ expunges })
        for (const { msn, uid } of news.expunged) assert.equal(session.list.splice(msn - 1, 1)[0], uid)
        const last = session.list.at(-1) ?? 0
        for (const s of index.segments) for (let r = 0; r < s.count; r++) if (s.uids[r]! > Math.max(last, 0)) session.list.push(s.uids[r]!)
        if (news.exists !== undefined) assert.equal(news.exists, session.list.length)
        assert.equal(session.view.exists, session.list.length)
        for (const f of news.flags) assert.equal(session.list[f.msn - 1], f.segment.uids[f.row])
        const msn = 1 + random(Math.max(1, session.list.length))
        assert.equal(session.view.uidAt(msn), session.list[msn - 1])
        if (session.list.length > 0) assert.equal(session.view.msnOf(session.list[msn - 1]!), msn)
        if (expunges) assert.deepEqual(session.list, [...index.segments.flatMap((s) => [...s.uids.subarray(0, s.count)])])
      }
    })
  }
})

describe('how far a session was told', () => {
  test('settled stays below an expunge that is held back', () => {
    const index = empty()
    append(index, 5)
    const view = new View(index)
    const at = view.modseq
    expunge(index, 2, 4)
    flag(index, FLAGGED, 5)
    assert.ok(view.resized)
    view.pull({ expunges: false })
    assert.deepEqual([view.modseq, view.settled, view.resized], [at + 2, at, true])
    assert.deepEqual(view.gone([1, 3]), [2, 2])
    assert.deepEqual(view.gone([1, 5]), [2, 2, 4, 4])
    view.pull({ expunges: true })
    assert.deepEqual([view.modseq, view.settled, view.resized], [at + 2, at + 2, false])
    assert.deepEqual(view.gone([1, 5]), [])
  })

  test('flags alone change no size, arrivals do; uidnext is that of the last telling', () => {
    const index = empty()
    append(index, 2)
    const view = new View(index)
    flag(index, SEEN, 1)
    assert.equal(view.resized, false)
    append(index, 1)
    assert.deepEqual([view.resized, view.uidnext], [true, 3])
    view.pull({ expunges: true })
    assert.deepEqual([view.resized, view.uidnext], [false, 4])
  })

  test('sequence numbers of UIDs, also of those that are gone and not told of', () => {
    const index = empty()
    append(index, SEGMENT_ROWS + 10)
    expunge(index, 3)
    const view = new View(index)
    expunge(index, 5)
    assert.deepEqual(view.msns([1, 6]), [1, 5])
    assert.deepEqual(view.msns([3, 3]), [])
    assert.deepEqual(view.msns([SEGMENT_ROWS - 1, SEGMENT_ROWS + 3]), [SEGMENT_ROWS - 2, SEGMENT_ROWS + 2])
  })
})
