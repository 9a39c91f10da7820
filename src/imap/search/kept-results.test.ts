import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptOutput, MadeMailbox } from '../../../test/support/messages.ts'
import { seeded } from '../../../test/support/random.ts'
import { REV1_REPORTS } from '../reports.ts'
import type { SelectedSession } from '../session.ts'
import { sync } from '../sync.ts'
import { ResponseWriter } from '../wire/write.ts'
import { Work } from '../work.ts'
import { OPEN_GATE } from './context.ts'
import { type Moved, SortedOrder } from './kept-results.ts'
import { not } from './key.ts'
import { SEARCH_KEYS } from './keys.ts'
import { type Found, runSearch, type SearchContext } from './run.ts'
import { type Criterion, sorted } from './sort.ts'
import { SORT_KEYS } from './sort-keys.ts'
import { SearchUpdates } from './updates.ts'

const contextOf = (box: MadeMailbox): SearchContext => ({
  store: box.store,
  selected: box.selected,
  gate: OPEN_GATE,
  work: new Work({ output: keptOutput().output, ending: new AbortController().signal }),
})
const by = (...names: readonly string[]): Criterion[] =>
  names.map((name) => ({ key: SORT_KEYS.get(name.replace('-', ''))!, reverse: name.startsWith('-') }))

/** What a client makes of it. */
function apply(list: readonly number[], moved: readonly Moved[], put: boolean): number[] {
  const now = [...list]
  for (const { place, uids } of moved) {
    const there = now.splice(place - 1, put ? 0 : uids.length, ...(put ? uids : []))
    if (!put) assert.deepEqual(there, uids)
  }
  return now
}

for (const order of [by('SUBJECT'), by('-SUBJECT', 'SIZE'), by('SIZE'), by('-ARRIVAL', 'FROM'), by('DATE', '-SIZE')])
  test(`a sorted list stays sorted: ${order.map(({ reverse }) => reverse).join()}`, async () => {
    const random = seeded(17)
    const messages = Array.from({ length: 600 }, (_, i) => ({
      uid: 2 * i + 1,
      date: random(5) * 1000,
      raw: Buffer.from(`Subject: s${random(9)}\r\nFrom: f${random(4)}@x\r\nDate: ${1 + random(9)} May 2026\r\n\r\n${'x'.repeat(random(6))}\r\n`),
    }))
    const context = contextOf(new MadeMailbox(messages))
    const found = (uids: readonly number[]): Found => ({ uids, msns: uids.map((uid) => (uid + 1) / 2) })
    const all = messages.map(({ uid }) => uid)
    let members = all.filter(() => random(2) === 0)
    let list = [...(await sorted(context, found(members), order)).uids]
    const result = new SortedOrder(list, order)
    for (let round = 0; round < 25; round++) {
      const share = [2, 10, 100, 600][random(4)]!
      const going = members.filter(() => random(share) === 0)
      const holds = result.holds(all)
      assert.deepEqual(all.filter(holds), members)
      list = apply(list, result.remove(going), false)
      const left = members.filter((uid) => !going.includes(uid))
      const coming = all.filter((uid) => !left.includes(uid) && random(share) === 0)
      const moved = await result.add(context, coming)
      list = apply(list, moved, true)
      for (const [i, { place }] of moved.entries()) assert.ok(i === 0 || place > moved[i - 1]!.place + moved[i - 1]!.uids.length - 1)
      members = [...left, ...coming].sort((a, b) => a - b)
      assert.equal(result.size, members.length)
      assert.deepEqual(list, (await sorted(context, found(members), order)).uids)
    }
  })

test('what goes while others that went are told of is told of, too, before its EXPUNGE', async () => {
  const raw = Buffer.from('Subject: x\r\n\r\n')
  const box = new MadeMailbox(Array.from({ length: 5 }, (_, i) => ({ uid: i + 1, raw })))
  const kept = keptOutput()
  const { selected } = box
  const session = {
    selected,
    out: new ResponseWriter(kept.output),
    reports: REV1_REPORTS,
    store: box.store,
    ending: new AbortController().signal,
    services: {},
  }
  const watching = session as unknown as SelectedSession
  const key = not(SEARCH_KEYS.get('SEEN') as never)
  const criteria = { key, modseq: false, numbered: false, starred: false, fuzzy: false }
  const found = await runSearch(contextOf(box), key)
  SearchUpdates.begin(watching, { tag: 'a', by: 'msn', criteria, modseq: selected.view.modseq, order: by('-ARRIVAL') }, found)
  const updates = selected.updates!
  const told = updates.beforeExpunges.bind(updates)
  const next = [3, 1]
  updates.beforeExpunges = async () => {
    await told()
    const uid = next.shift()
    if (uid) box.expunge(uid)
  }
  box.expunge(4)
  await sync(watching, 'all', 'known')
  assert.deepEqual((await kept.text()).split('\r\n'), [
    '* ESEARCH (TAG "a") REMOVEFROM (4 4)',
    '* ESEARCH (TAG "a") REMOVEFROM (3 3)',
    '* ESEARCH (TAG "a") REMOVEFROM (1 1)',
    '* 4 EXPUNGE',
    '* 3 EXPUNGE',
    '* 1 EXPUNGE',
    '',
  ])
})
