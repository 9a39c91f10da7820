/** The sweep finds every mailbox whose log goes further than its fold, whichever process wrote it. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { foldMailbox, mailboxesBehind } from '../../src/store/pg/fold.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { stage, testStore } from '../support/store.ts'

const opened = await testStore()
const { store, anna, ben } = opened
// Another process, as far as the store knows.
const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
})

async function behind(page: number): Promise<string[]> {
  const names: string[] = []
  for await (const found of mailboxesBehind(pool, page)) {
    assert.ok(found.length <= page)
    names.push(...found.map(({ account, mailbox }) => `${account}/${mailbox}`))
  }
  return names
}

test('page by page, each once, until they are folded', async () => {
  for (const access of [anna, ben])
    for (const name of ['INBOX', 'Sent', 'Archive']) {
      const mailbox = await store.open(access, name, true)
      const content = await stage(store, access, Buffer.from('Subject: x\r\n\r\ny\r\n'))
      await store.append(mailbox, [{ content, flags: [], internalDate: Date.now() }])
    }
  const all = await behind(1_000)
  assert.equal(new Set(all).size, 6)
  for (const page of [1, 2, 5]) assert.deepEqual((await behind(page)).toSorted(), all.toSorted())
  for await (const found of mailboxesBehind(pool, 3)) for (const key of found) assert.equal(await foldMailbox(pool, key), 1)
  assert.deepEqual(await behind(4), [])
})
