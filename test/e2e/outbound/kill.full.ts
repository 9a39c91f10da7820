/**
 * Workers that are killed at random moments while thousands of messages wait, and lose their database now and then: every message arrives, and one comes twice only if it was
 * in doubt: its worker died, or the answer was lost, behind the final dot.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CuttingProxy, cuttingProxy } from '../../support/cutting-proxy.ts'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

const MESSAGES = Number(process.env['QUEUE_MESSAGES'] ?? 5_000)
const MINUTES = Number(process.env['QUEUE_MINUTES'] ?? 10)
const DOMAINS = 50
const WORKERS = 3
/** How long a worker lives, at most; the server takes up to so long for a command; the database is cut off about so often. Milliseconds. */
const LIFE_MS = 4_000
const ANSWER_MS = 60
const CUT_MS = 3_000
/** Shortened, so that what is in doubt comes again within the test. */
const DOUBT_SECONDS = 3
/** With fewer kills some moment may not be hit. */
const MANY_KILLS = 200

let house: House
let peer: Peer
let proxy: CuttingProxy
const children = new Map<string, ChildProcess>()
/** Times that a message was in doubt, by its address. */
const doubts = new Map<string, number>()
const doubt = (address: string): void => void doubts.set(address, (doubts.get(address) ?? 0) + 1)
before(async () => {
  house = await outboundHouse()
  proxy = await cuttingProxy(house.db.connect)
  peer = await startPeer()
  peer.delay = () => Math.random() ** 3 * ANSWER_MS
  // Some are refused for now, some connections are lost before the text or behind it.
  peer.script = (line, { to }) => {
    const luck = Math.random()
    if (line.startsWith('RCPT')) return luck < 0.05 ? '451 4.3.0 not now' : undefined
    if (line === 'DATA') return luck < 0.02 ? 'close' : undefined
    if (line !== '.' || luck > 0.02) return undefined
    for (const address of to) doubt(address)
    return 'close'
  }
})
after(async () => {
  for (const child of children.values()) child.kill('SIGKILL')
  await peer?.close()
  await proxy?.close()
  await house?.close()
})

let born = 0
async function worker(): Promise<string> {
  const owner = `child ${born++}`
  const child = fork(new URL('queue-child.ts', import.meta.url), [JSON.stringify(proxy.connect), `${peer.port}`, owner, `${DOUBT_SECONDS}`], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  children.set(owner, child)
  // Without its database it may not come so far.
  await new Promise((done) => child.once('message', done).once('exit', done))
  return owner
}

/** What a dead one had claimed is free when its lease ends: here at once. What it was about to end with a dot stays in doubt. Returns how many those are. */
async function bury(owner: string): Promise<number> {
  const child = children.get(owner)!
  const gone = child.exitCode === null && child.signalCode === null ? new Promise((done) => child.once('exit', done)) : undefined
  child.kill('SIGKILL')
  await gone
  children.delete(owner)
  // The last statement that it sent is done, or never will be.
  await sleep(100)
  const mine = await house.texts(`select address from queue where owner like '${owner}.%' and dot_at is not null`)
  for (const address of mine) doubt(address)
  await house.sql(`update queue set run_at = now() where owner like '${owner}.%' and state = 0`)
  return mine.length
}

test(`${MESSAGES} messages, workers killed for ${MINUTES} minutes`, { timeout: (MINUTES + 15) * 60_000 }, async (t) => {
  const end = performance.now() + MINUTES * 60_000
  const addresses = Array.from({ length: MESSAGES }, (_, n) => `m${n}@d${n % DOMAINS}.test`)
  const filling = (async () => {
    for (const [n, address] of addresses.entries()) {
      await house.send([address], {}, `Subject: ${n}\r\n\r\nx\r\n`)
      // Over the whole time, so that there is always something to be killed in the middle of.
      await sleep((MINUTES * 60_000 * 0.9) / MESSAGES / 1.5)
    }
  })()
  let kills = 0
  let cuts = 0
  let killedInDoubt = 0
  const lanes = Array.from({ length: WORKERS }, async () => {
    while (performance.now() < end) {
      const owner = await worker()
      await sleep(Math.random() * LIFE_MS)
      killedInDoubt += await bury(owner)
      kills++
    }
  })
  const cutting = (async () => {
    while (performance.now() < end) {
      await sleep(Math.random() * 2 * CUT_MS)
      proxy.away(true)
      cuts++
      await sleep(Math.random() * 500)
      proxy.away(false)
    }
  })()
  await Promise.all([filling, cutting, ...lanes])
  const ends = Map.groupBy(peer.ends, (stage) => stage)
  const last = await worker()
  await until('an empty queue', async () => (await house.count('select count(*)::int8 from queue')) === 0, 10 * 60_000)
  await bury(last)
  const times = new Map<string, number>()
  for (const { to } of peer.took) for (const address of to) times.set(address, (times.get(address) ?? 0) + 1)
  const missing = addresses.filter((address) => !times.has(address))
  const twice = [...times].filter(([, n]) => n > 1)
  const wrong = twice.filter(([address, n]) => n - 1 > (doubts.get(address) ?? 0))
  t.diagnostic(
    `${kills} kills, ${cuts} times without the database; ${times.size} of ${MESSAGES} arrived, ${twice.length} more than once; ${killedInDoubt} were killed in doubt`,
  )
  t.diagnostic(`connections ended at ${[...ends].map(([stage, all]) => `${stage} ${all.length}`).join(', ')}`)
  assert.deepEqual(missing, [])
  assert.deepEqual(wrong, [], 'twice, and nobody was in doubt')
  assert.equal(await house.count('select count(*)::int8 from outbound'), 0)
  if (kills < MANY_KILLS) return
  for (const stage of ['EHLO', 'STARTTLS', 'MAIL', 'RCPT', 'DATA']) assert.ok(ends.has(stage), `nobody was killed at ${stage}`)
  assert.ok(killedInDoubt > 0, 'nobody was killed in doubt')
})
