/** Workers that are killed at random moments while thousands of messages wait: every one arrives, and twice only where nobody could know. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

const MESSAGES = Number(process.env['QUEUE_MESSAGES'] ?? 5_000)
const MINUTES = Number(process.env['QUEUE_MINUTES'] ?? 10)
const DOMAINS = 50
const WORKERS = 3
/** How long a worker lives, at most. Milliseconds. */
const LIFE_MS = 4_000

let house: House
let peer: Peer
const children = new Map<string, ChildProcess>()
before(async () => {
  house = await outboundHouse()
  peer = await startPeer()
  // Some take their time, some are refused for now, some lose their answer.
  let n = 0
  peer.script = (line) => {
    if (line.startsWith('RCPT')) return ++n % 17 === 0 ? '451 4.3.0 not now' : undefined
    return undefined
  }
})
after(async () => {
  for (const child of children.values()) child.kill('SIGKILL')
  await peer?.close()
  await house?.close()
})

let born = 0
async function worker(): Promise<string> {
  const owner = `child ${born++}`
  const child = fork(new URL('queue-child.ts', import.meta.url), [JSON.stringify(house.db.connect), `${peer.port}`, owner], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  children.set(owner, child)
  await new Promise((done) => child.once('message', done))
  return owner
}

/** What a dead one had claimed is free when its lease ends: here at once. Returns how many recipients it left in doubt. */
async function bury(owner: string): Promise<number> {
  const child = children.get(owner)!
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGKILL')
  await gone
  children.delete(owner)
  const doubtful = await house.count(`select count(*)::int8 from queue where owner = '${owner}' and dot_at is not null`)
  await house.sql(`update queue set run_at = now(), dot_at = null, owner = null where owner = '${owner}' and state = 0`)
  return doubtful
}

test(`${MESSAGES} messages, workers killed for ${MINUTES} minutes`, { timeout: (MINUTES + 15) * 60_000 }, async (t) => {
  const end = performance.now() + MINUTES * 60_000
  let queued = 0
  const filling = (async () => {
    for (; queued < MESSAGES; queued++) {
      await house.send([`m${queued}@d${queued % DOMAINS}.test`], {}, `Subject: ${queued}\r\n\r\nx\r\n`)
      // Over the whole time, so that there is always something to be killed in the middle of.
      await sleep((MINUTES * 60_000 * 0.9) / MESSAGES / 1.5)
    }
  })()
  let kills = 0
  let doubtful = 0
  const lanes = Array.from({ length: WORKERS }, async () => {
    while (performance.now() < end) {
      const owner = await worker()
      await sleep(Math.random() * LIFE_MS)
      doubtful += await bury(owner)
      kills++
    }
  })
  await Promise.all([filling, ...lanes])
  const last = await worker()
  await until('an empty queue', async () => (await house.count('select count(*)::int8 from queue')) === 0, 10 * 60_000)
  doubtful += await bury(last)
  const times = new Map<string, number>()
  for (const { to } of peer.took) for (const address of to) times.set(address, (times.get(address) ?? 0) + 1)
  const missing = Array.from({ length: MESSAGES }, (_, n) => `m${n}@d${n % DOMAINS}.test`).filter((address) => !times.has(address))
  const twice = [...times.values()].reduce((sum, n) => sum + n - 1, 0)
  t.diagnostic(`${kills} kills, ${times.size} of ${MESSAGES} arrived, ${twice} once more, ${doubtful} were in doubt`)
  assert.deepEqual(missing, [])
  assert.ok(twice <= doubtful, `${twice} came once more, and ${doubtful} were in doubt`)
  assert.equal(await house.count('select count(*)::int8 from outbound'), 0)
})
