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
  const domains = peer.took.map(({ to }) => to[0]!.slice(to[0]!.indexOf('@') + 1))
  const firsts = [...new Set(domains)].map((domain) => domains.indexOf(domain))
  t.diagnostic(
    `of the domain that came last the first message was number ${Math.max(...firsts)}; when half were delivered a domain had at least ${fewest(domains)}`,
  )
  // By the order in which they came, whatever this machine makes of it: each domain had its turn at once, and none was behind the others.
  assert.equal(firsts.length, DOMAINS - 1)
  assert.ok(Math.max(...firsts) <= living / 4)
  assert.ok(fewest(domains) >= living / (DOMAINS - 1) / 8)
  assert.equal(dead.length, MESSAGES / DOMAINS)
  // The greeting may take five minutes: one message is waiting for it still, and holds the one place that a domain has until it says something.
  assert.deepEqual(
    tried.map(({ state }) => state),
    ['sending'],
  )
})

/** Messages of one domain, at least, in the first half. */
const fewest = (domains: readonly string[]): number =>
  Math.min(
    ...[...Map.groupBy(domains, (domain) => domain).keys()].map(
      (domain) => domains.slice(0, domains.length / 2).filter((one) => one === domain).length,
    ),
  )
