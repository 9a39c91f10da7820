/** Nothing is ever sent to an address that did not write: whoever is named as the sender of what is refused, forged, forwarded in vain or a notice itself. Counted in the queue's tables. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { createTls } from '../../../src/net/tls.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { createReporter } from '../../../src/smtp/outbound/report.ts'
import { mxService } from '../../../src/smtp/server.ts'
import { type House, outboundHouse, until } from '../outbound/house.ts'
import { type Peer, startPeer } from '../outbound/peer.ts'
import { Client, openThrottle, pair, serveOn } from './harness.ts'

const HOSTNAME = 'mail.example.test'
const mx = { MX: [{ preference: 10, exchange: 'mx.elsewhere.example' }] }
const VICTIM = 'victim@victim.example'
const WRITER = 'Writer@writer.example'

let house: House
let peer: Peer
let port: number
const closers: (() => Promise<unknown>)[] = []

before(async () => {
  house = await outboundHouse({
    'elsewhere.example': mx,
    'mx.elsewhere.example': { A: ['127.0.0.1'] },
    'writer.example': { ...mx, TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
    'victim.example': { ...mx, TXT: ['v=spf1 -all'] },
    'soft.example': { ...mx, TXT: ['v=spf1 ~all'] },
    'none.example': mx,
    'trouble.example': { ...mx, trouble: ['TXT'] },
    'bank.example': { ...mx, TXT: ['v=spf1 -all'] },
    '_dmarc.bank.example': { TXT: ['v=DMARC1; p=reject'] },
    'quiet.example': { ...mx, TXT: ['v=spf1 -all'] },
    '_dmarc.quiet.example': { TXT: ['v=DMARC1; p=quarantine'] },
  })
  peer = await startPeer()
  const { store, accounts, queue, dns } = house
  const srs = srsOf(accounts)
  const account = { aliases: [], passwordHash: '$argon2id$none', quota: undefined }
  await accounts.reconcile({
    domains: ['example.test'],
    accounts: [
      { ...account, address: 'anna@example.test', inbound: { block: ['blocked.example'] } },
      { ...account, address: 'ben@example.test', inbound: { forward: { to: ['copy@elsewhere.example'], keep: false } } },
    ],
    lists: [{ address: 'team@example.test', owner: 'anna@example.test', members: [], onward: ['friend@elsewhere.example'] }],
  })
  const rules = { dmarc: () => 'reject' as const, trustedSealers: new Set<string>() }
  const listener = await serveOn(
    mxService({
      ...{ store, accounts, queue, srs, hostname: HOSTNAME, primaryDomain: 'example.test', log: silentLog() },
      ...{ throttle: openThrottle().throttle, tls: createTls(pair).service('mx'), limits: { greetingDelayMs: 0 } },
      inbound: { dns, rules, isOwn: () => false },
    }),
    'starttls',
  )
  port = listener.port
  closers.push(() => listener.drain(1_000))
  const reporter = createReporter({ queue, store, accounts, srs, hostname: HOSTNAME, owner: 'reporter', log: silentLog() })
  house.work(peer.port, { reporter })
})
after(async () => {
  await Promise.all(closers.map((close) => close()))
  await peer?.close()
  await house?.close()
})

/** Everybody whom we ever named to another server. */
const named = (): string[] => [...new Set(peer.lines.flatMap((line) => /^RCPT TO:<(.*?)>/.exec(line)?.[1] ?? []))].sort()
const rows = (): Promise<number> => house.count('select count(*) from queue')
const refuses = (pattern: RegExp) => (line: string) => (pattern.test(line) ? '550 5.7.1 go away' : undefined)

beforeEach(() => {
  peer.lines.length = 0
  peer.took.length = 0
  peer.script = () => undefined
})
afterEach(async () => {
  // Reports wait a little for others of the same message.
  await until('nothing is on its way', async () => {
    await house.sql('update queue set run_at = now() where state = 3')
    return (await rows()) === 0
  })
})

let texts = 0
async function mail(from: string, to: string, { code = '250', author = from, head = '', body = 'x' } = {}): Promise<void> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO c.example', '250'], [`MAIL FROM:<${from}>`, '250'])
  const rcpt = await client.say(`RCPT TO:<${to}>`)
  if (!rcpt.startsWith('250')) assert.ok(rcpt.startsWith(code), rcpt)
  else {
    await client.expect(['DATA', '354'])
    const reply = await client.say(`From: <${author}>\r\nSubject: ${texts++}\r\n${head}\r\n${body}\r\n.`)
    assert.ok(reply.startsWith(code), reply)
  }
  client.close()
}
const inbox = async (of = house.anna, name = 'INBOX'): Promise<number> => (await house.inbox(of, name)).length

test('what is refused leaves nothing behind: who sends it tells its sender', async () => {
  const before = [await inbox(), await inbox(house.ben)]
  await mail(VICTIM, 'nobody@example.test', { code: '550 5.1.1' })
  await mail(VICTIM, 'friend@elsewhere.example', { code: '550 5.7.1' })
  await mail('x@blocked.example', 'anna@example.test', { code: '550 5.7.1' })
  for (const to of ['anna', 'ben', 'team']) {
    await mail('x@bank.example', `${to}@example.test`, { code: '550 5.7.26' })
    await mail(VICTIM, `${to}@example.test`, { code: '552 5.6.0', head: 'a: b\r\n'.repeat(1_001) })
    await mail(VICTIM, `${to}@example.test`, { code: '554 5.4.6', head: 'Received: x\r\n'.repeat(51) })
    await mail(VICTIM, `${to}@example.test`, { code: '550 5.6.11', body: 'bare\nLF' })
    await mail(VICTIM, `${to}@example.test`, { code: '550 5.7.1', head: `From: ${VICTIM}\r\n` })
  }
  assert.deepEqual([await rows(), await house.count('select count(*) from outbound')], [0, 0])
  assert.deepEqual([await inbox(), await inbox(house.ben)], before)
  assert.deepEqual(named(), [])
})

test('what is junk goes no further', async () => {
  for (const to of ['ben', 'team']) await mail('x@quiet.example', `${to}@example.test`)
  assert.equal(await rows(), 0)
  assert.deepEqual(named(), [])
})

test('forwarded in vain: a sender that nobody stands by is told nothing, who has it forwarded is', async () => {
  for (const [how, script] of [
    ['at RCPT', refuses(/^RCPT/)],
    ['at MAIL', refuses(/^MAIL/)],
    ['after the text', refuses(/^\.$/)],
  ] as const) {
    for (const from of [VICTIM, 'x@soft.example', 'x@none.example', 'x@trouble.example']) {
      peer.script = script
      const before = await inbox(house.ben)
      await mail(from, 'ben@example.test')
      await until(`${how}: a word in the mailbox`, async () => {
        await house.sql('update queue set run_at = now() where state = 3')
        return (await inbox(house.ben)) === before + 1
      })
      const report = (await house.inbox(house.ben)).at(-1)!
      assert.match(report, /^Return-Path: <>\r\n[\s\S]*Final-Recipient: rfc822; copy@elsewhere\.example/)
    }
  }
  for (const line of peer.lines.filter((one) => one.startsWith('MAIL'))) assert.match(line, /^MAIL FROM:<ben@example\.test>/)
  assert.deepEqual(named(), ['copy@elsewhere.example'])
})

test('a list in vain: its owner is told, never the sender', async () => {
  peer.script = refuses(/^RCPT/)
  for (const from of [VICTIM, WRITER]) {
    const before = await inbox()
    await mail(from, 'team@example.test')
    await until('a word to the owner', async () => {
      await house.sql('update queue set run_at = now() where state = 3')
      return (await inbox()) === before + 1
    })
  }
  assert.deepEqual(named(), ['friend@elsewhere.example'])
})

test('notices are answered by nothing, wherever they go', async () => {
  peer.script = refuses(/^RCPT/)
  const before = [await inbox(), await inbox(house.ben)]
  for (const to of ['ben', 'team']) await mail('', `${to}@example.test`, { author: VICTIM, head: 'Auto-Submitted: auto-replied\r\n' })
  await until('both were tried and given up', async () => named().length === 2 && (await rows()) === 0)
  assert.deepEqual(named(), ['copy@elsewhere.example', 'friend@elsewhere.example'])
  assert.deepEqual([await inbox(), await inbox(house.ben)], before)
})

test('who did write is told once, and what cannot be told is dropped: no notice of a notice', async () => {
  peer.script = refuses(/^RCPT/)
  await mail(WRITER, 'ben@example.test')
  await until('he was to be told', async () => {
    await house.sql('update queue set run_at = now() where state = 3')
    return named().length === 2 && (await rows()) === 0
  })
  assert.deepEqual(named(), [WRITER, 'copy@elsewhere.example'])
  assert.equal(peer.lines.filter((line) => line.startsWith('MAIL FROM:<>')).length, 1)

  // What comes back later, to the address that he was forwarded under, goes the same way.
  peer.script = () => undefined
  await mail(WRITER, 'ben@example.test')
  await until('it went', () => peer.took.length === 1)
  const { from } = peer.took[0]!
  assert.match(from, /^SRS0=/)
  peer.script = refuses(/^RCPT/)
  peer.lines.length = 0
  await mail('', from, { author: 'MAILER-DAEMON@elsewhere.example' })
  await until('it was tried', async () => named().length === 1 && (await rows()) === 0)
  assert.deepEqual(named(), [WRITER])
  // Nobody else reaches him by it.
  await mail(VICTIM, from, { code: '550 5.7.1' })
  await mail('', from.replace('Writer', 'victim'), { code: '550 5.1.1' })
  assert.equal(await rows(), 0)
})

test('a signature of the sender’s own domain stands by him as well as SPF does', async () => {
  const { isProven } = await import('../../../src/smtp/inbound/decision.ts')
  const { UNCHECKED } = await import('../../../src/smtp/inbound/findings.ts')
  const signed = (domain: string, result = 'pass') => ({
    ...UNCHECKED,
    dkim: [{ result, domain, selector: 's', algorithm: 'rsa-sha256', signature: '' }],
  })
  const spf = (identity: 'smtp.mailfrom' | 'smtp.helo', result = 'pass') => ({ ...UNCHECKED, spf: { result, identity, domain: 'writer.example' } })
  for (const [findings, proven] of [
    [signed('writer.example'), true],
    [signed('example'), true],
    [signed('sub.writer.example'), false],
    [signed('iter.example'), false],
    [signed('other.example'), false],
    [signed('writer.example', 'fail'), false],
    [spf('smtp.mailfrom'), true],
    [spf('smtp.mailfrom', 'softfail'), false],
    [spf('smtp.helo'), false],
    [UNCHECKED, false],
  ] as const)
    assert.equal(isProven(findings, 'x@writer.example'), proven)
})
