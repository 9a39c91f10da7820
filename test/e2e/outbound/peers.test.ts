/** Servers that misbehave, each in its own way: what they do decides whether the message is tried again, given back, or nobody knows; it is never lost, and twice only where nobody knows. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { makeSelfSigned } from '../../../src/net/self-signed.ts'
import type { OutboundWorker, Reporter } from '../../../src/smtp/outbound/worker.ts'
import type { QueueEntry } from '../../../src/store/queue.ts'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, type Script, startPeer } from './peer.ts'

/** `again`: this message waits. `away`: so does all that goes to its domain. `doubt`: the other side may have it. */
type Fate = 'sent' | 'again' | 'away' | 'back' | 'doubt'
interface Case {
  readonly name: string
  readonly script: Script
  readonly fate: Fate
  /** What is remembered of it, and told. */
  readonly says?: RegExp
  readonly without?: readonly string[]
}

const at =
  (stage: string, answer: string): Script =>
  (line) =>
    line.startsWith(stage) ? answer : undefined

const STAGES = ['CONNECT', 'EHLO', 'STARTTLS', 'MAIL', 'RCPT', 'DATA', '.'] as const
const AFTER_DOT = {
  close: 'doubt',
  reset: 'doubt',
  hang: 'doubt',
  endless: 'doubt',
  rubbish: 'doubt',
  'HTTP/1.1 200 OK': 'doubt',
  '650 what': 'doubt',
} as const

function fateOf(stage: (typeof STAGES)[number], answer: string): Fate {
  const code = Number(/^\d+/.exec(answer)?.[0])
  if (stage === '.' && answer in AFTER_DOT) return 'doubt'
  if (stage === '.' && code === 421) return 'again'
  if (Number.isNaN(code) || code === 421 || code > 599) return 'away'
  if (stage === 'CONNECT') return 'away'
  if (stage === 'EHLO') return code >= 500 && code <= 504 ? 'sent' : 'away'
  // Nobody asked for TLS.
  if (stage === 'STARTTLS') return 'sent'
  return code >= 500 ? 'back' : 'again'
}

const ANSWERS = [
  '450 4.7.1 later, please',
  '451 later',
  '450-4.7.1 for three\r\n450-4.7.1 reasons\r\n450 4.7.1 later',
  '550 5.7.1 never',
  '554 no',
  '550-5.7.1 not now\r\n550 5.7.1 and not ever',
  '421 4.3.2 closing close',
  '421 bye close',
  ...Object.keys(AFTER_DOT),
]

const rcpt = (first: string, rest?: string): Script => {
  let n = 0
  return (line) => (line.startsWith('RCPT') ? (n++ === 0 ? first : rest) : undefined)
}
const ODD: readonly Case[] = [
  {
    name: 'every answer octet by octet',
    fate: 'sent',
    script: (line) => (line === '.' ? 'slowly 250 2.0.0 taken' : line.startsWith('MAIL') ? 'slowly 250 ok' : undefined),
    without: ['PIPELINING'],
  },
  {
    name: 'codes that nobody knows, of the right kind',
    fate: 'sent',
    script: (line) => ({ MAIL: '259 ok', RCPT: '252 perhaps', DATA: '355 go on', '.': '299' })[line.slice(0, 4)],
  },
  { name: 'a yes where a go-ahead belongs', fate: 'again', script: at('DATA', '250 2.0.0 ok'), says: /^250/ },
  { name: 'a go-ahead where a yes belongs', fate: 'again', script: at('RCPT', '354 go on'), says: /^354/ },
  { name: 'a go-ahead after the text', fate: 'doubt', script: at('.', '354 go on'), says: /neither yes nor no/ },
  { name: 'a megabyte of greeting', fate: 'away', script: at('CONNECT', `220 ${'x'.repeat(1 << 20)}`), says: /does not speak SMTP/ },
  { name: 'a megabyte of refusal', fate: 'away', script: at('RCPT', `550 ${'x'.repeat(1 << 20)}`), says: /does not speak SMTP/ },
  {
    name: 'words that are none',
    fate: 'back',
    script: at('RCPT', '550 5.1.1 n\u00f6 \u001b[2J\u0000\u0007 such'),
    says: /^550 5\.1\.1 [\x20-\x7e]+$/,
  },
  {
    name: 'answered in the clear before TLS',
    fate: 'away',
    script: at('STARTTLS', '220 go\r\n250-evil\r\n250 PIPELINING'),
    says: /before TLS|No secure connection/,
  },
  {
    name: 'one answer too many to MAIL',
    fate: 'away',
    script: at('MAIL', '250 ok\r\n250 ok'),
    without: ['PIPELINING'],
    says: /what it was not asked: 250 ok/,
  },
  {
    name: 'a yes before the text was sent',
    fate: 'again',
    script: at('DATA', '354 go\r\n250 2.0.0 taken'),
    says: /what it was not asked: 250 2\.0\.0 taken/,
  },
  { name: 'a no before the text was sent', fate: 'back', script: at('DATA', '354 go\r\n552 5.3.4 too big'), says: /^552 5\.3\.4 too big/ },
  { name: 'a no to the sender, and gone', fate: 'back', script: at('MAIL', '550 5.7.1 not you close'), says: /not you/ },
  { name: 'a no to the recipient, and gone', fate: 'back', script: at('RCPT', '550 5.1.1 nobody close'), says: /nobody/ },
  { name: 'no TLS and no EHLO either', fate: 'sent', script: at('EHLO', '502 5.5.1 what'), without: ['STARTTLS', 'PIPELINING'] },
  { name: 'a yes to all but the last of the recipients, then silence', fate: 'away', script: rcpt('250 ok', 'hang'), says: /did not answer/ },
]

const tables: readonly Case[] = STAGES.flatMap((stage) =>
  ANSWERS.filter((answer) => answer !== 'rubbish' || !['CONNECT', 'EHLO', 'STARTTLS'].includes(stage)).flatMap((answer) => {
    const fate = fateOf(stage, answer)
    const one = { script: at(stage, answer), fate, ...(/^[45]/.test(answer) && fate !== 'sent' && { says: new RegExp(`^${answer.slice(0, 3)} `) }) }
    // Only what lies within one batch of commands differs.
    const both = stage === 'MAIL' || stage === 'RCPT' || stage === 'DATA'
    return [
      { ...one, name: `${stage}: ${JSON.stringify(answer)}` },
      ...(both ? [{ ...one, name: `${stage} by itself: ${JSON.stringify(answer)}`, without: ['PIPELINING'] }] : []),
    ]
  }),
)
const CASES: readonly Case[] = [...tables, ...ODD]

const FAST = { connect: 4_000, greeting: 4_000, command: 4_000, data: 4_000, block: 4_000, dot: 4_000, handshake: 4_000 }
let house: House
let worker: OutboundWorker
const peers: Peer[] = []
const addressOf = (n: number): string => `127.1.${n >> 8}.${(n & 255) + 1}`
before(async () => {
  house = await outboundHouse()
  const pem = makeSelfSigned({ hostname: 'localhost', now: Date.now() })
  for (const [n, { script, without = [] }] of CASES.entries()) {
    const peer = await startPeer({ host: addressOf(n), port: peers[0]?.port ?? 0, pem })
    peer.extensions = peer.extensions.filter((word) => !without.includes(word))
    peer.script = script
    peers.push(peer)
    Object.assign(house.dns.zones, {
      [`c${n}.test`]: { MX: [{ preference: 0, exchange: `mx${n}.test` }] },
      [`mx${n}.test`]: { A: [addressOf(n)], AAAA: [] },
    })
  }
})
after(async () => {
  await house?.close()
  for (const peer of peers) await peer.close()
})

const MINUTE = 60_000
const entries = (): Promise<QueueEntry[]> => house.queue.list({ limit: 1_000 })
const work = (more = {}): OutboundWorker =>
  house.work(peers[0]!.port, { timeouts: FAST, schedule: [300], limits: { total: 200, perAccount: 200 }, ...more })
/** Whoever is slow finds everything still there. */
const SILENT: Reporter = { tell: async () => false, late: async () => {} }

test(`${CASES.length} servers: the first attempt at each`, async () => {
  for (const [n, { name }] of CASES.entries())
    await house.send(name.startsWith('a yes to all') ? [`a@c${n}.test`, `b@c${n}.test`] : [`a@c${n}.test`], {}, `Subject: ${n}\r\n\r\nx\r\n`)
  worker = work({ reporter: SILENT })
  await until('all tried', async () => (await entries()).every(({ state, attempts }) => state !== 'sending' && attempts > 0), 60_000)
  await worker.stop()
  const by = Map.groupBy(await entries(), ({ address }) => Number(/\d+/.exec(address)![0]))
  const away = (n: number): Promise<number> => house.count(`select count(*)::int8 from queue_domain where domain = 'c${n}.test'`)
  for (const [n, { name, fate, says }] of CASES.entries()) {
    const [entry] = by.get(n) ?? []
    const took = peers[n]!.took.length
    assert.deepEqual(
      [entry?.state, await away(n)],
      { sent: [undefined, 0], again: ['waiting', 0], away: ['waiting', 1], back: ['failed', 0], doubt: ['waiting', 0] }[fate],
      `${name}: ${entry?.said}`,
    )
    if (says) assert.match(entry!.said, says, name)
    assert.equal(took, fate === 'sent' ? 1 : fate === 'doubt' ? 1 : 0, name)
    if (!entry) continue
    assert.match(entry.status, fate === 'back' ? /^5\.\d+\.\d+$/ : /^4\.\d+\.\d+$/, name)
    const wait = entry.due - Date.now()
    if (fate === 'doubt') assert.ok(wait > 9 * MINUTE && wait <= 11 * MINUTE, `${name}: ${wait}`)
    else if (fate !== 'back') assert.ok(wait > 4 * MINUTE && wait <= 6 * MINUTE, `${name}: ${wait}`)
    assert.equal(entry.attempts, 1, name)
  }
})

test('they come to their senses: what waits goes, once; what is in doubt again when its time is over; what was given back came to its sender, with their words', async () => {
  for (const peer of peers) peer.script = () => undefined
  await house.sql('update queue set run_at = now() where state = 3')
  await house.queue.retry({})
  worker = work()
  const doubtful = CASES.filter(({ fate }) => fate === 'doubt').length
  await until('only what is in doubt', async () => (await entries()).every(({ said }) => said === 'An attempt may still be under way'), 60_000)
  assert.equal((await entries()).length, doubtful)
  assert.ok(
    CASES.every(({ fate }, n) => fate !== 'doubt' || peers[n]!.took.length === 1),
    'whoever asks for it, not before its time',
  )
  await house.sql("update queue set dot_at = dot_at - interval '10 minutes', run_at = now()")
  worker.wake()
  await until('an empty queue', async () => (await entries()).length === 0, 60_000)
  const reports = await house.inbox()
  for (const [n, { name, fate }] of CASES.entries()) {
    const times = peers[n]!.took.filter(({ text }) => text.includes(`Subject: ${n}\r\n`)).length
    assert.equal(times, { sent: 1, again: 1, away: 1, back: 0, doubt: 2 }[fate], name)
    const mine = reports.filter((text) => text.includes(`rfc822; a@c${n}.test`))
    assert.equal(mine.length, fate === 'back' ? 1 : 0, name)
    if (fate === 'back')
      assert.match(mine[0]!, /Action: failed\r\nStatus: 5\.\d\.\d\r\nRemote-MTA: dns; mx\d+\.test\r\nDiagnostic-Code: smtp; 55\d/, name)
  }
})
