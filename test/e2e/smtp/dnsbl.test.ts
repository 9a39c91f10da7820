/** Clients that lists in the DNS know: refused, junk, marked, allowed; and lists that are in trouble, or lie. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { checkConfig, parseConfig } from '../../../src/config/load.ts'
import { silentLog } from '../../../src/log.ts'
import { type Dns, NoSuchName } from '../../../src/net/dns/dns.ts'
import { askList, nameIn } from '../../../src/net/dns/lists.ts'
import { matching } from '../../../src/serve/screen.ts'
import { words } from '../../../src/serve/words.ts'
import { AddressLists, type ListAction, type Listing } from '../../../src/smtp/inbound/dnsbl.ts'
import { grantAccount } from '../../../src/store/access.ts'
import type { AccountId, MailboxId } from '../../../src/store/types.ts'
import { fakeDns, type Zone } from '../outbound/peer.ts'
import { Client, type Running, startMx } from './harness.ts'

const log = silentLog()
const running: Running[] = []
after(() => Promise.all(running.map((one) => one.stop())))

const HERE = '127.0.0.1'
/** Tests come from 127.0.0.1, which no real list has. */
const CLIENT = '127.0.0.9'

/** Lists by zone, as the config has them. */
function rulesOf(text: string) {
  const { config } = checkConfig(parseConfig('x.yaml', `hostname: mx.a.test\ndomains: [a.test]\ninbound: {dnsbl: ${text}}`), words)
  return config.inbound!.dnsbl!.map(({ zone, name = zone, action, replies }) => ({
    zone,
    name,
    action,
    counts: replies ? matching(replies) : () => true,
  }))
}

const accounts = {
  isLocal: async (domain: string) => domain === 'example.org',
  owns: async () => false,
  recipient: async (address: string) =>
    ['ann@example.org', 'postmaster@example.org', 'abuse@example.org'].includes(address)
      ? { access: grantAccount(1 as AccountId, 'delivery'), inbox: 1 as MailboxId, junk: 2 as MailboxId, used: 0, quota: undefined }
      : undefined,
}

async function mxWith(zones: Record<string, Zone>, list: string, more: { readonly lookMs?: number; readonly dns?: Dns } = {}): Promise<Running> {
  const lists = new (class extends AddressLists {
    override look() {
      return super.look(CLIENT)
    }
    override refusal(listing: Listing) {
      return super.refusal(listing, CLIENT)
    }
  })({ dns: more.dns ?? fakeDns(zones), rules: rulesOf(list), log, ...more })
  const one = await startMx({ accounts, screen: { lists, isExempt: () => false } })
  running.push(one)
  return one
}

async function greeted(server: Running): Promise<Client> {
  const client = await Client.connect(server.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], ['MAIL FROM:<x@elsewhere.example>', '250'])
  return client
}

async function send(server: Running, to = 'ann@example.org'): Promise<{ readonly text: string; readonly mailboxes: readonly number[] }> {
  const client = await greeted(server)
  await client.expect([`RCPT TO:<${to}>`, '250'], ['DATA', '354'], ['Subject: hi\r\n\r\nx\r\n.', '250'])
  client.close()
  const { text, mailboxes } = server.store.messages.at(-1)!
  return { text: text.toString('latin1'), mailboxes }
}

const listed = (zone: string, code: string, txt?: string): Record<string, Zone> => ({
  [nameIn(zone, CLIENT)]: { A: [code], ...(txt !== undefined && { TXT: [txt] }) },
})

test('reject: told at RCPT, with the list and its words; postmaster and abuse can be written to, and are told', async () => {
  const server = await mxWith(listed('bl.test', '127.0.0.2', 'see https://bl.test/?ip'), '[{zone: bl.test, action: reject}]')
  const client = await greeted(server)
  assert.equal(await client.say('RCPT TO:<ann@example.org>'), `550 5.7.1 ${CLIENT} is listed by bl.test: see https://bl.test/?ip`)
  await client.expect(
    ['RCPT TO:<nobody@example.org>', '550 5.7.1'],
    ['DATA', '503'],
    ['RCPT TO:<Postmaster>', '250'],
    ['RCPT TO:<abuse@example.org>', '250'],
    ['RCPT TO:<postmaster@elsewhere.example>', '550 5.7.1 Relay'],
    ['RCPT TO:<postmaster.not@example.org>', '550 5.7.1 127'],
  )
  const { text, mailboxes } = await send(server, 'postmaster@example.org')
  assert.deepEqual(mailboxes, [1])
  assert.match(
    text,
    /^Return-Path: .*\r\nAuthentication-Results: mx\.example\.org;\r\n\tx-dnsbl=fail dns\.zone=bl\.test policy\.ip=127\.0\.0\.2 smtp\.remote-ip=127\.0\.0\.1\r\nReceived/,
  )
})

test('a zone whose name holds a key is told by another name', async () => {
  const zone = 'secret.zen.test'
  const rejecting = await mxWith(listed(zone, '127.0.0.2'), `[{zone: ${zone}, name: zen.test, action: reject}]`)
  assert.equal(await (await greeted(rejecting)).say('RCPT TO:<ann@example.org>'), `550 5.7.1 ${CLIENT} is listed by zen.test`)
  const marking = await mxWith(listed(zone, '127.0.0.2'), `[{zone: ${zone}, name: zen.test, action: mark}]`)
  const { text } = await send(marking)
  assert.ok(text.includes('dns.zone=zen.test') && !text.includes('secret'))
})

test('a listed client that goes on and on is sent away', async () => {
  const server = await mxWith(listed('bl.test', '127.0.0.2'), '[{zone: bl.test, action: reject}]')
  const client = await greeted(server)
  for (let i = 0; i < 20; i++) await client.expect([`RCPT TO:<ann${i}@example.org>`, '550 5.7.1'])
  await client.expect(['RCPT TO:<ann@example.org>', '421 4.7.0'])
  assert.equal(await client.end(), '')
})

test('junk, mark and allow; the first that rejects is named', async () => {
  const of = async (action: ListAction) => send(await mxWith(listed('bl.test', '127.0.0.2'), `[{zone: bl.test, action: ${action}}]`))
  assert.deepEqual((await of('junk')).mailboxes, [2])
  const marked = await of('mark')
  assert.deepEqual(marked.mailboxes, [1])
  assert.match(marked.text, /x-dnsbl=fail dns\.zone=bl\.test/)
  const allowed = await of('allow')
  assert.deepEqual(allowed.mailboxes, [1])
  assert.match(allowed.text, /dnswl=pass dns\.zone=bl\.test/)
  const none = await send(await mxWith({}, '[{zone: bl.test, action: reject}, {zone: other.test, action: junk}]'))
  assert.deepEqual([none.mailboxes, none.text.includes('Authentication-Results')], [[1], false])
  const both = await mxWith(
    { ...listed('a.test', '127.0.0.2'), ...listed('b.test', '127.0.0.3') },
    '[{zone: a.test, action: junk}, {zone: b.test, action: reject}]',
  )
  assert.match(await (await greeted(both)).say('RCPT TO:<ann@example.org>'), /^550 5\.7\.1 127\.0\.0\.9 is listed by b\.test$/)
})

test('words of a list are cleaned and bounded, and not waited for', async () => {
  const wild = await mxWith(listed('bl.test', '127.0.0.2', `a\r\n250 ok\0\x1b[2J${'x'.repeat(5_000)}é`), '[{zone: bl.test, action: reject}]')
  const said = await (await greeted(wild)).say('RCPT TO:<ann@example.org>')
  assert.match(said, /^550 5\.7\.1 127\.0\.0\.9 is listed by bl\.test: a 250 ok \[2Jx+$/)
  assert.ok(said.length < 260)
  const answers = fakeDns(listed('bl.test', '127.0.0.2'))
  const mute: Dns = { validates: false, ask: (name, type) => (type === 'TXT' ? new Promise(() => {}) : answers.ask(name, type)) }
  const client = await greeted(await mxWith({}, '[{zone: bl.test, action: reject}]', { dns: mute }))
  assert.match(await client.say('RCPT TO:<ann@example.org>'), /^550 5\.7\.1 127\.0\.0\.9 is listed by bl\.test$/)
})

test('only answers that are meant count', async () => {
  const accepts = async (code: string, replies: string, more: Record<string, Zone> = {}): Promise<boolean> => {
    const client = await greeted(await mxWith({ ...listed('bl.test', code), ...more }, `[{zone: bl.test, action: reject, replies: [${replies}]}]`))
    const reply = await client.say('RCPT TO:<ann@example.org>')
    client.close()
    return reply.startsWith('250')
  }
  assert.equal(await accepts('127.0.0.4', '127.0.0.2-11'), false)
  assert.equal(await accepts('127.0.0.12', '127.0.0.2-11'), true)
  assert.equal(await accepts('127.0.9.2', '127.0.*.1-3'), false)
  assert.equal(await accepts('127.0.9.0', '127.0.*.1-3'), true)
  for (const code of ['127.255.255.254', '127.0.0.1', '91.195.240.87', 'nonsense']) assert.equal(await accepts(code, '127.*.*.*'), true, code)
  // A list that lists everybody.
  assert.equal(await accepts('127.0.0.2', '127.0.0.2', { '1.0.0.127.bl.test': { A: ['127.0.0.2'] } }), true)
})

test('a list in trouble rejects nobody, keeps nobody waiting for long, and is left alone after a while', async () => {
  const dns = fakeDns({ [nameIn('bl.test', CLIENT)]: { trouble: true }, ...listed('good.test', '127.0.0.2') })
  const server = await mxWith({}, '[{zone: bl.test, action: reject}, {zone: good.test, action: mark}]', { dns })
  for (let i = 0; i < 8; i++) assert.match((await send(server)).text, /x-dnsbl=fail dns\.zone=good\.test/)
  assert.equal(dns.asked.filter((line) => line.endsWith('.bl.test')).length, 5)
  const silent: Dns = { validates: false, ask: () => new Promise(() => {}) }
  const slow = await mxWith({}, '[{zone: bl.test, action: reject}]', { dns: silent, lookMs: 200 })
  const started = performance.now()
  await send(slow)
  assert.ok(performance.now() - started < 2_000)
  const broken: Dns = { validates: false, ask: () => Promise.reject(new TypeError('a fault')) }
  await send(await mxWith({}, '[{zone: bl.test, action: reject}]', { dns: broken }))
})

test('a list that is slow is asked by so many at a time and no more', async () => {
  const waiting: (() => void)[] = []
  const dns: Dns = {
    validates: false,
    async ask(name) {
      await new Promise<void>((go) => waiting.push(go))
      throw new NoSuchName(name)
    },
  }
  const lists = new AddressLists({ dns, rules: rulesOf('[{zone: bl.test, action: reject}]'), log, lookMs: 50 })
  assert.deepEqual((await Promise.all(Array.from({ length: 200 }, () => lists.look(CLIENT)))).flat(), [])
  assert.equal(waiting.length, 50)
  for (const go of waiting.splice(0)) go()
  await new Promise(setImmediate)
  void lists.look(CLIENT)
  assert.equal(waiting.length, 1)
})

test('who is exempt is not asked about', async () => {
  const dns = fakeDns({})
  const lists = new AddressLists({ dns, rules: rulesOf('[{zone: bl.test, action: reject}]'), log })
  const server = await startMx({ screen: { lists, isExempt: (address) => address === HERE } })
  running.push(server)
  await send(server)
  assert.deepEqual(dns.asked, [])
})

test('IPv6 is asked by its nibbles, and a list that lists everybody is known there too', async () => {
  const name = `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.bl.test`
  assert.deepEqual(await askList(fakeDns({ [name]: { A: ['127.0.0.3'] } }), 'bl.test', '2001:db8::1'), ['127.0.0.3'])
  const everybody = fakeDns({ [name]: { A: ['127.0.0.3'] }, [`1.0.0.0.0.0.f.7.f.f.f.f.${'0.'.repeat(20)}bl.test`]: { A: ['127.0.0.2'] } })
  assert.equal(await askList(everybody, 'bl.test', '2001:db8::1'), undefined)
})

test('the config: zones, actions, answers', () => {
  for (const [text, wrong] of [
    ['[{zone: bl.test}]', /action is missing|action must be one of reject, junk, mark, allow/],
    ['[{zone: bl.test, action: drop}]', /action must be one of reject, junk, mark, allow/],
    ['[{zone: "a b", action: junk}]', /zone must be a domain/],
    ['[{zone: bl.test, action: junk, replies: [128.0.0.1]}]', /replies\[1\] must be an answer of the list/],
    ['[{zone: bl.test, action: junk, replies: [127.0.0]}]', /must be an answer of the list/],
    ['[{zone: bl.test, action: junk, replies: [127.0.0.9-2]}]', /must be an answer of the list/],
    ['[{zone: bl.test, action: junk, replies: [127.0.0.256]}]', /must be an answer of the list/],
    ['[{zone: bl.test, action: junk, replies: []}]', /replies must be a list of at least one answer/],
    [`[${'{zone: bl.test, action: junk},'.repeat(21)}]`, /dnsbl must be a list of at most 20 zones/],
  ] as const)
    assert.throws(() => rulesOf(text), wrong, text)
})
