/** Addresses that lead further, on the real store: lists, what is left over of a domain, forwarding and the way back, and senders whom nobody wants. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { createTls } from '../../../src/net/tls.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { createReporter } from '../../../src/smtp/outbound/report.ts'
import { Breaker } from '../../../src/smtp/scan/breaker.ts'
import type { Scanner } from '../../../src/smtp/scan/scanner.ts'
import { mxService } from '../../../src/smtp/server.ts'
import type { Inbound, WantedState } from '../../../src/store/accounts.ts'
import { type House, outboundHouse, until } from '../outbound/house.ts'
import { type Peer, startPeer } from '../outbound/peer.ts'
import { Client, openThrottle, pair, people, plain, serveOn, startSubmission } from './harness.ts'

const HOSTNAME = 'mail.example.test'
const mx = { MX: [{ preference: 10, exchange: 'mx.elsewhere.example' }] }
let house: House
let peer: Peer
let port: number
const closers: (() => Promise<unknown>)[] = []

const account = (name: string, inbound?: Inbound, quota?: number) => ({
  ...{ address: `${name}@example.test`, aliases: [], passwordHash: '$argon2id$none', quota },
  ...(inbound && { inbound }),
})
const reconcile = (more: Partial<WantedState>) =>
  house.accounts.reconcile({ domains: ['example.test'], accounts: [account('anna'), account('ben')], ...more })

before(async () => {
  house = await outboundHouse({ 'elsewhere.example': mx, 'mx.elsewhere.example': { A: ['127.0.0.1'] }, 'writer.example': mx })
  peer = await startPeer()
  const { store, accounts, queue } = house
  const srs = srsOf(accounts)
  const listener = await serveOn(
    mxService({
      ...{ store, accounts, queue, srs, hostname: HOSTNAME, primaryDomain: 'example.test', log: silentLog() },
      ...{ throttle: openThrottle().throttle, tls: createTls(pair).service('mx'), limits: { greetingDelayMs: 0 } },
    }),
    'starttls',
  )
  port = listener.port
  closers.push(() => listener.drain(1_000))
  const reporter = createReporter({ queue, store, accounts, srs, hostname: HOSTNAME, owner: 'reporter', log: silentLog() })
  house.work(peer.port, { reporter })
})
beforeEach(() => {
  peer.took.length = 0
  peer.script = () => undefined
})
after(async () => {
  await Promise.all(closers.map((close) => close()))
  await peer?.close()
  await house?.close()
})

async function mail(from: string, to: readonly string[], text = 'Subject: hello\r\n\r\nbody', code = '250', at = port): Promise<string> {
  const client = await Client.connect(at)
  await client.reply()
  await client.expect(['EHLO c.example', '250'], [`MAIL FROM:<${from}>`, '250'])
  for (const one of to) await client.expect([`RCPT TO:<${one}>`, '250'])
  await client.expect(['DATA', '354'])
  const reply = await client.say(`${text}\r\n.`)
  assert.ok(reply.startsWith(code), reply)
  client.close()
  return reply
}

/** A scanner that takes what has this text for spam. */
const takesForSpam = (text: string): Scanner => ({
  ...{ name: 'rspamd', maxSize: 1024 * 1024, wantsName: false },
  start() {
    let seen = ''
    return {
      async write(chunk) {
        seen += chunk.toString('latin1')
      },
      finish: async () => ({ wanted: seen.includes(text) ? 'junk' : 'nothing', shown: ['seen'], reason: '' }),
      abort: () => undefined,
    }
  },
})

async function rcpt(from: string, to: string): Promise<string> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO c.example', '250'], [`MAIL FROM:<${from}>`, '250'])
  const reply = await client.say(`RCPT TO:<${to}>`)
  client.close()
  return reply
}

const having = (texts: readonly string[], word: string) => texts.filter((text) => text.includes(word))
const arrives = (word: string, at = house.anna) => until(`${word} in the inbox`, async () => having(await house.inbox(at), word).length === 1)
/** Reports wait a little for others of the same message. */
async function reported(): Promise<void> {
  await until('all is settled', async () => !(await house.queue.list({ limit: 9 })).some(({ state }) => state !== 'failed'))
  await house.sql('update queue set run_at = now() where state = 3')
}
const sent = (n = 1) => until(`${n} sent`, () => peer.took.length === n)

test('a list: members here have it at once, those elsewhere by the queue, and what fails is told to its owner', async () => {
  await reconcile({
    lists: [
      {
        address: 'team@example.test',
        owner: 'anna@example.test',
        members: ['anna@example.test', 'ben@example.test'],
        onward: ['Friend@elsewhere.example', 'gone@elsewhere.example'],
      },
    ],
  })
  peer.script = (line) => (line.startsWith('RCPT TO:<gone@') ? '550 5.1.1 gone' : undefined)
  await mail('writer@writer.example', ['Team+x@example.test', 'ben@example.test'], 'Subject: to the team\r\n\r\nbody')
  for (const one of [house.anna, house.ben]) assert.equal(having(await house.inbox(one), 'to the team').length, 1)
  await sent()
  const [copy] = peer.took
  assert.equal(copy!.from, 'anna@example.test')
  assert.deepEqual(copy!.to, ['Friend@elsewhere.example'])
  assert.match(copy!.text, /^Delivered-To: team@example\.test\r\nReceived: /)
  assert.doesNotMatch(copy!.text, /Return-Path/)
  await reported()
  await arrives('Final-Recipient: rfc822; gone@elsewhere.example')
  // A notice stays one, and gets no answer.
  await mail('', ['team@example.test'], 'Subject: a notice\r\n\r\nbody')
  await sent(2)
  assert.equal(peer.took[1]!.from, '')
  // What the list sent on does not go round.
  const circle = `${copy!.text}`.replace(/\r\n$/, '')
  await mail('writer@writer.example', ['team@example.test'], circle, '554 5.4.6')
  await mail('writer@writer.example', ['ben@example.test'], circle)
})

test('a list is for nobody whom its members blocked, and a full member waits in the queue', async () => {
  const list = { address: 'team@example.test', owner: 'anna@example.test', members: ['ben@example.test'], onward: [] }
  await reconcile({ accounts: [account('anna'), account('ben', { block: ['writer.example'] })], lists: [list] })
  assert.match(await rcpt('x@writer.example', 'team@example.test'), /^550 5\.7\.1/)
  await reconcile({ accounts: [account('anna'), account('ben', undefined, 1)], lists: [list] })
  await mail('x@writer.example', ['team@example.test'], 'Subject: when there is room\r\n\r\nbody')
  assert.equal(having(await house.inbox(house.ben), 'when there is room').length, 0)
  await reconcile({ lists: [list] })
  await arrives('when there is room', house.ben)
})

test('what is for nobody goes to the catch-all, after addresses, tags and lists', async () => {
  assert.match(await rcpt('x@writer.example', 'nobody@example.test'), /^550 5\.1\.1/)
  await reconcile({ catchAll: { 'example.test': 'anna@example.test' } })
  await mail('x@writer.example', ['nobody+tag@example.test'], 'Subject: left over\r\n\r\nbody')
  await mail('x@writer.example', ['ben+tag@example.test'], 'Subject: for ben\r\n\r\nbody')
  await arrives('left over')
  assert.equal(having(await house.inbox(), 'for ben').length, 0)
  assert.match(await rcpt('x@writer.example', 'victim@elsewhere.example'), /^550 5\.7\.1/)
  assert.match(await rcpt('', 'SRS0=AAAAAAAA=AA=writer.example=x@example.test'), /^550 5\.1\.1/)
})

test('forwarding: rewritten so that it comes back, and back to who wrote', async () => {
  const forward = { to: ['Ben@elsewhere.example'], keep: false }
  await reconcile({ accounts: [account('anna'), account('ben', { forward })] })
  await mail('Writer@writer.example', ['ben@example.test'], 'From: x@writer.example\r\nSubject: forwarded\r\n\r\nbody')
  await sent()
  const { from, to, text } = peer.took[0]!
  assert.match(from, /^SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=writer\.example=Writer@example\.test$/)
  assert.deepEqual(to, ['Ben@elsewhere.example'])
  assert.match(text, /^Delivered-To: ben@example\.test\r\nReceived: [\s\S]*From: x@writer\.example\r\nSubject: forwarded\r\n\r\nbody\r\n$/)
  assert.equal(having(await house.inbox(house.ben), 'forwarded').length, 0)

  // Notices for the writer, whatever became of the case of his address; nothing else, and no other address.
  assert.match(await rcpt('x@elsewhere.example', from), /^550 5\.7\.1/)
  assert.match(await rcpt('', from.replace('Writer', 'victim')), /^550 5\.1\.1/)
  assert.match(await rcpt('', from.replace('writer.example', 'other.example')), /^550 5\.1\.1/)
  assert.match(await rcpt('', from.replace('@example.test', '@elsewhere.example')), /^550 5\.7\.1/)
  await mail('', [from], 'Subject: it did not arrive\r\n\r\nbody')
  await sent(2)
  assert.deepEqual([peer.took[1]!.from, peer.took[1]!.to], ['', ['Writer@writer.example']])
  assert.match(peer.took[1]!.text, /^Received: /)

  // What is refused at once is told to the writer by us; a notice that cannot be forwarded to nobody.
  peer.script = (line) => (line.startsWith('RCPT TO:<Ben@') ? '550 5.1.1 gone' : undefined)
  await mail('Writer@writer.example', ['ben@example.test'], 'Subject: forwarded again\r\n\r\nbody')
  await reported()
  await sent(3)
  assert.deepEqual([peer.took[2]!.from, peer.took[2]!.to], ['', ['Writer@writer.example']])
  assert.match(peer.took[2]!.text, /Final-Recipient: rfc822; Ben@elsewhere\.example/)
  await mail('', ['ben@example.test'], 'Subject: a notice to forward\r\n\r\nbody')
  await until('it is given up', async () => (await house.queue.list({ limit: 1 })).length === 0)
  await mail('Writer@writer.example', ['ben@example.test'], `${text}`.replace(/\r\n$/, ''), '554 5.4.6')
})

test('forwarding that keeps a copy; for two at once; and what was forwarded before', async () => {
  const to = ['copy@elsewhere.example']
  await reconcile({
    accounts: [account('anna', { forward: { to, keep: true } }), account('ben', { forward: { to: ['b@elsewhere.example'], keep: true } })],
  })
  await mail('SRS0=abcd=ab=first.example=me@writer.example', ['anna@example.test', 'ben@example.test'], 'Subject: both\r\n\r\nbody')
  await sent(2)
  assert.match(peer.took[0]!.from, /^SRS1=[A-Z2-7]{8}=writer\.example==abcd=ab=first\.example=me@example\.test$/)
  assert.deepEqual(peer.took.map((one) => one.to[0]).sort(), ['b@elsewhere.example', 'copy@elsewhere.example'])
  for (const one of [house.anna, house.ben]) assert.equal(having(await house.inbox(one), 'Subject: both').length, 1)
  await mail('', [peer.took[0]!.from], 'Subject: back\r\n\r\nbody')
  await sent(3)
  assert.deepEqual(peer.took[2]!.to, ['SRS0=abcd=ab=first.example=me@writer.example'])
})

test('senders that an account does not want; its own word for one of them goes first', async () => {
  const inbound = { block: ['writer.example', 'pest@other.example'], allow: ['good@sub.writer.example'] }
  await reconcile({ accounts: [account('anna', inbound), account('ben')] })
  for (const sender of ['x@writer.example', 'X@Sub.Writer.example', 'PEST@other.example'])
    assert.match(await rcpt(sender, 'anna+tag@example.test'), /^550 5\.7\.1 The recipient takes no mail from that sender/, sender)
  for (const sender of ['', 'good@sub.writer.example', 'x@notwriter.example', 'y@other.example'])
    assert.match(await rcpt(sender, 'anna@example.test'), /^250/, sender)
  assert.match(await rcpt('x@writer.example', 'ben@example.test'), /^250/)
})

test('what is junk for who forwards it, or for who owns a list, stays here', async () => {
  const forward = { to: ['ben@elsewhere.example'], keep: false }
  const list = { address: 'team@example.test', owner: 'anna@example.test', members: ['anna@example.test'], onward: ['friend@elsewhere.example'] }
  await reconcile({ accounts: [account('anna'), account('ben', { forward })], lists: [list] })
  const { store, accounts, queue, dns } = house
  const scanner = takesForSpam('Subject: spam')
  Object.assign(dns.zones, { 'bank.example': { TXT: ['v=spf1 -all'] }, '_dmarc.bank.example': { TXT: ['v=DMARC1; p=quarantine'] } })
  const listener = await serveOn(
    mxService({
      ...{ store, accounts, queue, srs: srsOf(accounts), hostname: HOSTNAME, primaryDomain: 'example.test', log: silentLog() },
      ...{ throttle: openThrottle().throttle, tls: createTls(pair).service('mx'), limits: { greetingDelayMs: 0 } },
      inbound: { dns, rules: { dmarc: () => 'junk', trustedSealers: new Set() }, isOwn: () => false },
      scan: { rules: [{ scanner, breaker: new Breaker(scanner), action: () => 'reject', onFailure: 'accept', submission: false }] },
    }),
    'starttls',
  )
  const to = ['team@example.test', 'ben@example.test']
  closers.push(() => listener.drain(1_000))
  await mail('x@bank.example', to, 'From: x@bank.example\r\nSubject: forged\r\n\r\nbody', '250', listener.port)
  assert.deepEqual(await house.queue.list({ limit: 9 }), [])
  for (const one of [house.anna, house.ben]) {
    assert.equal((await house.inbox(one, 'Junk')).length, 1)
    assert.equal(having(await house.inbox(one), 'forged').length, 0)
  }
  await mail('x@writer.example', to, 'From: x@writer.example\r\nSubject: spam\r\n\r\nbody', '250', listener.port)
  assert.deepEqual(await house.queue.list({ limit: 9 }), [])
  for (const one of [house.anna, house.ben]) {
    assert.equal((await house.inbox(one, 'Junk')).length, 2)
    assert.equal(having(await house.inbox(one), 'spam').length, 0)
  }
  await mail('x@writer.example', to, 'From: x@writer.example\r\nSubject: real\r\n\r\nbody', '250', listener.port)
  await sent(2)
})

test('what is held goes where the address leads when it goes, once, and to nobody who is not there', async () => {
  const { store, accounts, queue } = house
  const login = async () => ({ kind: 'ok' as const, access: house.anna, login: (await accounts.login('anna@example.test'))! })
  const authenticator = { ...people([]).authenticator, login }
  const running = await startSubmission({ store, accounts, queue, srs: srsOf(accounts), authenticator, primaryDomain: 'example.test' })
  closers.push(() => running.stop())
  await reconcile({ accounts: [account('anna'), account('ben', { block: ['nobody.example'] })] })
  const client = await Client.connectTls(running.port)
  await client.reply()
  await client.expect(
    ['EHLO c', '250'],
    [`AUTH PLAIN ${plain('anna@example.test')}`, '235'],
    ['MAIL FROM:<anna@example.test> HOLDFOR=2', '250'],
    ['RCPT TO:<nobody@example.test>', '550 5.1.1'],
    ['RCPT TO:<SRS0=AAAAAAAA=AA=writer.example=x@example.test>', '550 5.7.1'],
    ['RCPT TO:<ben@example.test>', '250'],
    ['RCPT TO:<ben+tag@example.test>', '250'],
    ['DATA', '354'],
  )
  assert.match(await client.say('From: anna@example.test\r\nSubject: when it goes\r\n\r\nbody\r\n.'), /^250 /)
  client.close()
  // He forwards only now.
  const forward = { to: ['ben@elsewhere.example'], keep: true }
  await reconcile({ accounts: [account('anna'), account('ben', { forward })] })
  assert.equal(having(await house.inbox(house.ben), 'when it goes').length, 0)
  await arrives('when it goes', house.ben)
  await sent()
  await until('nothing waits', async () => (await queue.list({ limit: 9 })).length === 0)
  assert.deepEqual([peer.took.length, having(await house.inbox(house.ben), 'when it goes').length], [1, 1])
  assert.match(peer.took[0]!.from, /^SRS0=.*=anna@example\.test$/)
})

test('who logged in writes to a list and to a stranger at once, and lets it wait', async () => {
  const list = { address: 'team@example.test', owner: 'ben@example.test', members: ['ben@example.test'], onward: ['friend@elsewhere.example'] }
  await reconcile({ lists: [list] })
  const { store, accounts, queue } = house
  const login = async () => ({ kind: 'ok' as const, access: house.anna, login: (await accounts.login('anna@example.test'))! })
  const authenticator = { ...people([]).authenticator, login }
  const running = await startSubmission({ store, accounts, queue, srs: srsOf(accounts), authenticator, primaryDomain: 'example.test' })
  closers.push(() => running.stop())
  for (const [wait, subject] of [
    ['', 'now'],
    [' HOLDFOR=1', 'later'],
  ]) {
    const client = await Client.connectTls(running.port)
    await client.reply()
    await client.expect(
      ['EHLO c', '250'],
      [`AUTH PLAIN ${plain('anna@example.test')}`, '235'],
      [`MAIL FROM:<anna@example.test>${wait}`, '250'],
      ['RCPT TO:<team@example.test>', '250'],
      ['RCPT TO:<other@elsewhere.example>', '250'],
      ['DATA', '354'],
    )
    assert.match(await client.say(`From: anna@example.test\r\nSubject: ${subject}\r\n\r\nbody\r\n.`), /^250 /)
    client.close()
    await arrives(`Subject: ${subject}`, house.ben)
    await sent(2)
    const envelopes = peer.took.splice(0).map(({ from, to, text }) => `${from} ${to} ${/^[\w-]+/.exec(text)?.[0]}`)
    assert.deepEqual(envelopes.sort(), [
      'anna@example.test other@elsewhere.example Received',
      'ben@example.test friend@elsewhere.example Delivered-To',
    ])
  }
})
