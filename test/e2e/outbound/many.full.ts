/** Ten thousand messages to fifty domains, one of which takes connections and never says a word: nobody waits for it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

const MESSAGES = Number(process.env['QUEUE_MESSAGES'] ?? 10_000)
const DOMAINS = 50
let house: House
let peer: Peer
before(async () => {
  house = await outboundHouse()
  peer = await startPeer({ host: '0.0.0.0' })
  // Where the dead one is a connection is taken, and that is all.
  peer.script = (line, { address }) => (line === 'CONNECT' && address === '127.0.0.2' ? 'hang' : undefined)
})
after(async () => {
  await house?.close()
  await peer?.close()
})

test(`${MESSAGES} to ${DOMAINS} domains, one of them dead`, { timeout: 20 * 60_000 }, async (t) => {
  for (let d = 0; d < DOMAINS; d++)
    Object.assign(house.dns.zones, {
      [`d${d}.test`]: { MX: [{ preference: 0, exchange: `mx${d}.test` }] },
      [`mx${d}.test`]: { A: [d === 0 ? '127.0.0.2' : '127.0.0.1'], AAAA: [] },
    })
  for (let n = 0; n < MESSAGES; n += 50)
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        house.send([`m${n + i}@d${(n + i) % DOMAINS}.test`], {}, `Subject: ${n + i}\r\n\r\nx\r\n`, i % 2 === 0 ? house.anna : house.ben),
      ),
    )
  const living = (MESSAGES / DOMAINS) * (DOMAINS - 1)
  const started = performance.now()
  house.work(peer.port)
  await until('the living', () => peer.took.length >= living, 10 * 60_000)
  const seconds = (performance.now() - started) / 1000
  const dead = await house.queue.list({ domain: 'd0.test', limit: MESSAGES })
  const tried = dead.filter(({ attempts }) => attempts > 0)
  t.diagnostic(
    `${living} delivered in ${seconds.toFixed(1)} s (${(living / seconds).toFixed(0)}/s) over ${peer.connections} connections; of ${dead.length} for the dead one ${tried.length} were tried`,
  )
  assert.equal(peer.took.length, living)
  assert.equal(dead.length, MESSAGES / DOMAINS)
  // The greeting may take five minutes: the first ones are waiting for it still, and hold no more places than one domain may.
  assert.ok(tried.length <= 5 && tried.every(({ state }) => state === 'sending'), `${tried.length} tried`)
})
