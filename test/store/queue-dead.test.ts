/** Claims of a process that is dead are not waited out; those of one that lives are its own. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../src/log.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { openStore } from '../../src/store/pg/index.ts'
import { LIFE_SETTLED } from '../../src/store/pg/lives.ts'
import { type Claim, NOTIFY, type Outcome } from '../../src/store/queue.ts'
import { stage, testStore } from '../support/store.ts'

const opened = await testStore()
const { store, queue, anna } = opened
after(() => opened.close())

async function enqueue(domain: string): Promise<void> {
  const content = await stage(store, anna, Buffer.from(`Subject: ${domain}\r\n\r\nx\r\n`))
  const recipients = ['a', 'b'].map((local) => ({ address: `${local}@${domain}`, domain, notify: NOTIFY.failure }))
  const envelope = { reversePath: 'anna@example.test', prefix: Buffer.alloc(0), skip: 0, eightBit: false, utf8: false, requireTls: false }
  await queue.enqueue(anna, content, { ...envelope, recipients, notBefore: Date.now(), expires: Date.now() + 86_400_000, counts: true }, domain)
}
const outcomes = ({ recipients }: Claim, what: { kind: 'delivered' } | { kind: 'deferred'; seconds: number }): Outcome[] =>
  recipients.map(({ id, epoch }) => ({ id, epoch, status: '2.0.0', said: 'ok', remote: 'mx.test', ...what }))
const claim = async (by = queue): Promise<Claim | undefined> => {
  const [due] = await queue.due(10, [])
  return due && (await by.claim(due, 'w'))
}

test('what a dead process had claimed is due again in seconds: a first attempt that is not in doubt, and of nobody who lives', async () => {
  const other = () => openStore({ connect: opened.db.connect, drivers: createMemoryDrivers(), log: silentLog(), background: false })
  const [dies, lives] = await Promise.all([other(), other()])
  const claims: Record<string, Claim> = {}
  for (const [name, by] of [
    ['dead', dies],
    ['doubt', dies],
    ['again', dies],
    ['alive', lives],
    ['own', opened],
  ] as const) {
    await enqueue(`${name}.test`)
    if (name === 'again') {
      const first = (await claim())!
      await queue.settle(first, outcomes(first, { kind: 'deferred', seconds: 0 }), 'w')
    }
    claims[name] = (await claim(by.queue))!
  }
  const { dead, doubt, alive } = claims
  assert.equal(await dies.queue.noteDot(doubt!, doubt!.recipients, 'w'), true)
  assert.equal(await queue.freeDead(), 0, 'all of them live')
  await dies.close()
  // Who has just come does not know Postgres long enough to tell.
  const began = performance.now()
  let freed = 0
  for (; freed === 0 && performance.now() - began < 15_000; freed = await queue.freeDead()) await sleep(100)
  assert.equal(freed, 2)
  assert.ok(performance.now() - began < (LIFE_SETTLED + 5) * 1_000)
  const now = (await claim())!
  assert.equal(now.domain, 'dead.test')
  for (const { attempts } of now.recipients) assert.equal(attempts, 2)
  assert.equal(await claim(), undefined)
  assert.equal((await queue.settle(dead!, outcomes(dead!, { kind: 'delivered' }), 'w')).size, 0)
  assert.equal((await lives.queue.settle(alive!, outcomes(alive!, { kind: 'delivered' }), 'w')).size, 2)
  assert.equal(await queue.freeDead(), 0)
  await lives.close()
})
