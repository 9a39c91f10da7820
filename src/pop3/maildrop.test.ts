import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptOutput } from '../../test/support/messages.ts'
import { LineWriter } from '../net/line-writer.ts'
import type { MailboxAccess } from '../store/access.ts'
import { type IndexHead, MailboxIndex } from '../store/index.ts'
import type { SelectedMailbox } from '../store/mailstore.ts'
import type { ContentId } from '../store/types.ts'
import { View } from '../store/view.ts'
import { freeze, Maildrop, UNIQUE_ID_ROOM, uniqueId } from './maildrop.ts'
import { No } from './reply.ts'

/** UIDs 10, 11, 12, 20; the third gains 5 octets by line ends. */
const maildrop = (): Maildrop =>
  new Maildrop({} as MailboxAccess, {
    uids: Uint32Array.of(10, 11, 12, 20),
    mids: Float64Array.of(1, 2, 3, 2 ** 53 - 1),
    contents: BigInt64Array.of(1n, 2n, 3n, 4n),
    sizes: Uint32Array.of(100, 0, 300, 4000),
    gains: new Map([[2, 5]]),
    uidls: [undefined, 'brought-along'],
    mended: new Set([1]),
  })

test('unique-ids are 14 hex digits of the mid, said alone and written in a list', async () => {
  const mids = [0, 1, 255, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 7 * 2 ** 32 + 5, (2 ** 20 - 1) * 2 ** 32 + 2 ** 32 - 1, 2 ** 53 - 1]
  const said = mids.map(uniqueId)
  assert.deepEqual(said[5], '00000080000000')
  assert.ok(said.every((id, at) => /^[0-9a-f]{14}$/.test(id) && Number.parseInt(id, 16) === mids[at]))
  const rows = {
    uids: new Uint32Array(11),
    mids: Float64Array.from(mids),
    contents: new BigInt64Array(11),
    sizes: new Uint32Array(11),
    gains: new Map(),
  }
  const drop = new Maildrop({} as MailboxAccess, { ...rows, uidls: [undefined, undefined, 'x'.repeat(UNIQUE_ID_ROOM)], mended: new Set() })
  const out = keptOutput()
  const line = new LineWriter(out.output)
  for (const number of drop.numbers()) {
    line.room(UNIQUE_ID_ROOM + 1)
    drop.writeUniqueId(line, number)
    line.byte(0x20)
  }
  line.release()
  assert.equal(await out.text(), `${said.with(2, 'x'.repeat(70)).join(' ')} `)
})

test('numbers stay when messages are marked', () => {
  const drop = maildrop()
  drop.delete(2)
  assert.deepEqual([...drop.numbers()], [1, 3, 4])
  assert.deepEqual(drop.total(), { messages: 3, octets: 4405 })
  assert.equal(drop.entry(3).octets, 305)
  assert.equal(drop.entry(3).size, 300)
  assert.throws(() => drop.entry(2), No)
  drop.reset()
  assert.deepEqual([...drop.numbers()], [1, 2, 3, 4])
})

test('numbers that there are not', () => {
  for (const number of [0, -1, 5, 2 ** 31, 2 ** 53]) assert.throws(() => maildrop().entry(number), No)
})

test('what QUIT acts on, as UID ranges', () => {
  const drop = maildrop()
  assert.deepEqual(drop.took(), { deleted: [], retrieved: [] })
  drop.delete(1)
  drop.delete(4)
  drop.retrieved(2)
  assert.deepEqual(drop.took(), { deleted: [10, 10, 20, 20], retrieved: [11, 11] })
  drop.reset()
  assert.deepEqual(drop.took(), { deleted: [], retrieved: [11, 11] })
})

test('a unique-id is what the message brought with it, else made of its mid', () => {
  const drop = maildrop()
  assert.deepEqual(
    [1, 2, 3, 4].map((number) => drop.uniqueId(number)),
    ['00000000000001', 'brought-along', '00000000000003', '1fffffffffffff'],
  )
})

test('freezing: what is hidden is not there, and of the rest the newest', () => {
  const index = new MailboxIndex({
    account: 1,
    mailbox: 1,
    uidvalidity: 1,
    incarnation: 1,
    modseq: 1,
    uidnext: 3001,
    keywords: ['x', '$pop3deleted'],
  } as unknown as IndexHead)
  // 1, 4, 7 … are hidden.
  for (let uid = 1; uid <= 3000; uid++) index.addRow(uid, uid, BigInt(uid), uid % 3 === 1 ? 64 : 32, 0, 1, uid, 0, 0)
  const shown = Array.from({ length: 3000 }, (_, i) => i + 1).filter((uid) => uid % 3 !== 1)
  const uidls = { size: 1, of: (mid: number) => (mid === 2999 ? 'brought-along' : undefined) }
  for (const max of [undefined, 1, 2, 1023, 1024, 1025, 1999, 2000, 2001]) {
    const selected = { access: {}, index, view: new View(index) } as unknown as SelectedMailbox
    const drop = freeze(selected, { gains: new Map([[3000n as ContentId, 7]]), uidls, max })
    const expected = shown.slice(-(max ?? 3000))
    assert.equal(drop.count, expected.length, `${max}`)
    assert.deepEqual(
      [...drop.numbers()].map((number) => drop.entry(number).size),
      expected,
    )
    assert.equal(drop.entry(drop.count).octets, 3007)
    if (drop.count > 1) assert.equal(drop.uniqueId(drop.count - 1), 'brought-along')
    assert.equal(drop.uniqueId(drop.count), uniqueId(3000))
    drop.delete(1)
    assert.deepEqual(drop.took().deleted, [expected[0], expected[0]])
  }
})
