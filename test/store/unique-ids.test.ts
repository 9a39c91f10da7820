/** A mid, of which POP3's unique-id is made, is one message's for life: through moves, folding, deleted mailboxes and incarnations. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { MailboxAccess } from '../../src/store/access.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { foldMailbox } from '../../src/store/pg/fold.ts'
import { openStore } from '../../src/store/pg/index.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { giveUidls } from '../../src/store/pg/pop-uidl.ts'
import type { Mid } from '../../src/store/types.ts'
import { eachUid } from '../../src/store/uidset.ts'
import { seeded } from '../support/random.ts'
import { stage, testStore, unwatched } from '../support/store.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'

const opened = await testStore()
const { store, anna, db } = opened
const dir = tempFolder('unique-ids')
const pool = new Pool({ connect: db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
  removeFolder(dir)
})

interface Row {
  readonly uid: number
  readonly mid: number
  readonly content: bigint
}

async function rows(m: MailboxAccess, on = store): Promise<Row[]> {
  await using selected = await on.select(m, unwatched)
  return selected.index.segments.flatMap((s) =>
    Array.from({ length: s.count }, (_, row) => ({ uid: s.uids[row]!, mid: s.mids[row]!, content: s.contents[row]! })),
  )
}

let written = 0
async function append(m: MailboxAccess, on = store): Promise<void> {
  await on.append(m, [{ content: await stage(on, anna, Buffer.from(`Subject: ${++written}\r\n\r\n`)), flags: [], internalDate: 1 }])
}

/** Whose a mid was when it was first seen; two messages that have one are found out here. */
const known = new Map<number, bigint>()
function note(all: readonly Row[], what: string): void {
  assert.equal(new Set(all.map(({ mid }) => mid)).size, all.length, `${what}: twice`)
  for (const { mid, content } of all) {
    assert.equal(known.get(mid) ?? content, content, `${what}: ${mid} is another message's`)
    known.set(mid, content)
  }
}

test('at random: whatever happens to the messages of several mailboxes', async () => {
  const random = seeded(20_261_129)
  const names = ['INBOX', 'Archive', 'Trash']
  let boxes = await Promise.all(names.map((name) => store.open(anna, name, true)))
  for (let step = 0; step < 150; step++) {
    const [from, to] = [boxes[random(3)]!, boxes[random(3)]!]
    const there = await rows(from)
    const some = there.filter(() => random(3) === 0).flatMap(({ uid }) => [uid, uid])
    const before = new Map(there.map(({ uid, mid }) => [uid, mid]))
    const what = random(8)
    if (what < 2) await append(from)
    else if (what === 2) {
      const done = await store.move(from, some, to)
      const moved = new Map((await rows(to)).map(({ uid, mid }) => [uid, mid]))
      const arrived = [...eachUid(done.to)]
      for (const [i, uid] of [...eachUid(done.from)].entries()) assert.equal(moved.get(arrived[i]!), before.get(uid), `step ${step}: moved`)
    } else if (what === 3) {
      const done = await store.copy(from, some.slice(0, 6), to)
      for (const { uid, mid } of await rows(to)) if ([...eachUid(done.to)].includes(uid)) assert.ok(!known.has(mid), `step ${step}: copied`)
    } else if (what === 4) await store.expunge(from, { uids: some.slice(0, 4), deletedOnly: false })
    else if (what === 5) while ((await foldMailbox(pool, from)) > 0);
    else if (what === 6 && random(4) === 0) {
      await store.remove(anna, 'Archive')
      await store.create(anna, 'Archive', '\\Archive')
    } else if (what === 7) {
      const drivers = createMemoryDrivers()
      const fresh = await openStore({ connect: db.connect, drivers, log: silentLog() })
      note((await Promise.all(boxes.map((m) => rows(m, fresh.store).catch(() => [])))).flat(), `step ${step}, cold`)
      await fresh.close()
      await drivers.close()
    }
    boxes = await Promise.all(names.map((name) => store.open(anna, name, true)))
    note((await Promise.all(boxes.map((m) => rows(m)))).flat(), `step ${step}`)
  }
  assert.ok(known.size > 40)
})

test('another incarnation: the same for what is there, imported ones too, and none again for what comes', async () => {
  const inbox = await store.open(anna, 'INBOX', true)
  await append(inbox)
  const before = await rows(inbox)
  const last = before.at(-1)!
  await giveUidls(pool, anna.account, [{ mid: last.mid as Mid, uidl: 'from-elsewhere' }])
  // Gone by then: nobody may get its unique-id.
  await append(inbox)
  const gone = (await rows(inbox)).at(-1)!
  await store.expunge(inbox, { uids: [gone.uid, gone.uid], deletedOnly: false })
  const markFile = join(dir, 'mark')
  writeFileSync(markFile, 'restored\n')
  const drivers = createMemoryDrivers()
  const restored = await openStore({ connect: db.connect, drivers, log: silentLog(), markFile })
  const again = await restored.store.open(anna, 'INBOX', true)
  assert.deepEqual(await rows(again, restored.store), before)
  await append(again, restored.store)
  const all = await rows(again, restored.store)
  assert.ok(!known.has(all.at(-1)!.mid) && all.at(-1)!.mid !== gone.mid)
  note(all, 'restored')
  assert.equal((await restored.store.importedUidls(anna)).of(last.mid), 'from-elsewhere')
  await restored.close()
  await drivers.close()
})
