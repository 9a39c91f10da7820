/** What copies of sent mail cost those who did not ask for them: no statement more. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts'
import { stage, testStore } from '../support/store.ts'

let proxy!: CuttingProxy
const opened = await testStore(async (db) => {
  proxy = await cuttingProxy(db.connect)
  return proxy.connect
})
const { store, anna } = opened
after(async () => {
  await opened.close()
  await proxy.close()
})

async function statements(work: () => Promise<unknown>): Promise<readonly string[]> {
  proxy.at(undefined)
  await work()
  // What is asked on its own account, every now and then.
  return proxy.seen.filter((name) => !/^(look|guard|mark|beat|op_release|incarnation)/.test(name) && name !== '')
}

test('APPEND, COPY, MOVE and EXPUNGE in Sent', async () => {
  const sent = await store.open(anna, 'Sent', true)
  const trash = await store.open(anna, 'Trash', true)
  const text = Buffer.from(`Message-ID: <1@x>\r\nDate: ${new Date().toUTCString()}\r\nSubject: x\r\n\r\nx\r\n`)
  const message = async () => ({ content: await stage(store, anna, text), flags: ['\\Seen'], internalDate: 1 })
  const append = async () => store.append(sent, [await message()])
  for (let n = 0; n < 4; n++) await append()
  // The index is in memory from here on.
  await store.flags(sent, [1, 1], { mode: 'add', names: ['\\Flagged'] })
  await store.copy(sent, [1, 1], trash)
  const moving = ['begin', 'op_note', 'mailbox_lock', 'mailbox_lock', 'mailbox_next']
  assert.deepEqual(await statements(append), ['append_room', 'land'])
  assert.deepEqual(await statements(() => store.move(sent, [1, 1], trash)), [...moving, 'mailbox_next', 'op_settle', 'commit'])
  assert.deepEqual(await statements(() => store.expunge(sent, { uids: [2, 2], deletedOnly: false })), ['mailbox_move_on_unless_held'])
})
