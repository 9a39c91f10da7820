/** Greylisting over two processes' worth of server on one Postgres. Clients come from wherever a PROXY header says; time is moved in the rows. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { hashPassword } from '../../../src/auth/password.ts'
import { silentLog } from '../../../src/log.ts'
import { type Listener, listen } from '../../../src/net/listener.ts'
import { createTls } from '../../../src/net/tls.ts'
import { type AddressLists, type Listing, type ListRule, AddressLists as Lists } from '../../../src/smtp/inbound/dnsbl.ts'
import { Greylisting, greylistedNetwork, senderKey, spfDomain } from '../../../src/smtp/inbound/greylisting.ts'
import { mxService } from '../../../src/smtp/server.ts'
import type { Greylist } from '../../../src/store/greylist.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { createGreylist } from '../../../src/store/pg/greylist.ts'
import { openStore } from '../../../src/store/pg/index.ts'
import { Pool } from '../../../src/store/pg/pool.ts'
import { testDatabase } from '../../support/postgres.ts'
import { fakeDns } from '../outbound/peer.ts'
import { Client, pair } from './harness.ts'

const log = silentLog()
const db = await testDatabase()
const pool = new Pool({ connect: db.connect, max: 2, log })
const dns = fakeDns({
  'big.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all'] },
  'mail.big.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
})
const RULES = { delay: 300, window: 86_400, remember: 30 * 86_400, trustAfter: 2 }
const passwordHash = await hashPassword('secret')

interface Site {
  readonly listener: Listener
  close(): Promise<void>
}

async function site(more: { readonly greylist?: Greylist; readonly lists?: AddressLists } = {}): Promise<Site> {
  const drivers = createMemoryDrivers(log)
  const opened = await openStore({ connect: db.connect, drivers, log })
  const { store, accounts } = opened
  await accounts.reconcile({
    domains: ['example.org'],
    accounts: [
      { address: 'ann@example.org', aliases: ['postmaster@example.org', 'abuse@example.org'], passwordHash },
      { address: 'bob@example.org', aliases: [], passwordHash, inbound: { allow: ['friend.test'], block: ['foe.test'] } },
    ],
  })
  const greylisting = new Greylisting({ greylist: more.greylist ?? opened.greylist, rules: RULES, domainOf: spfDomain(dns, 'mx.example.org'), log })
  const tls = createTls(pair).service('mx')
  const serve = mxService({
    ...{ store, accounts, throttle: drivers.throttle, log, tls, hostname: 'mx.example.org', primaryDomain: 'example.org' },
    screen: { greylisting, lists: more.lists, isExempt: (address) => address === '203.0.113.1' },
    limits: { greetingDelayMs: 0, messagesPerHour: 1_000_000 },
  })
  const admission = { perRemote: 1_000, newPerMinute: 10_000 }
  const listener = await listen({
    ...{ host: '127.0.0.1', port: 0, mode: 'starttls', tls, networkOf: (remote) => remote, serve, log },
    ...{ proxyFrom: ['127.0.0.1'], limits: admission },
  })
  return {
    listener,
    async close() {
      await listener.drain(1_000)
      await opened.close()
      await drivers.close()
    },
  }
}

const first = await site()
const second = await site()
const sites: Site[] = [first, second]
after(async () => {
  for (const one of sites) await one.close()
  await pool.close()
  await db.close()
})

interface Try {
  readonly ip: string
  readonly from: string
  readonly at?: Site
}

async function greeted({ ip, from, at = first }: Try): Promise<Client> {
  const client = await Client.connect(at.listener.port)
  client.write(`PROXY TCP${ip.includes(':') ? 6 : 4} ${ip} ${ip.includes(':') ? '::2' : '203.0.113.9'} 1025 25\r\n`)
  await client.reply()
  await client.expect(['EHLO mail.big.test', '250'], [`MAIL FROM:<${from}>`, '250'])
  return client
}

/** What the client hears at RCPT. */
async function rcpt(to: string, one: Try): Promise<string> {
  const client = await greeted(one)
  const reply = await client.say(`RCPT TO:<${to}>`)
  client.close()
  return reply
}

let made = 0
/** What the client hears to its message. */
async function send(to: readonly string[], one: Try): Promise<string> {
  const client = await greeted(one)
  for (const recipient of to) await client.expect([`RCPT TO:<${recipient}>`, '250'])
  await client.expect(['DATA', '354'])
  const reply = await client.say(`Subject: ${++made}\r\n\r\nx\r\n.`)
  client.close()
  return reply
}

const sql = (text: string) => pool.rows({ name: '', text }, [])
const later = (seconds: number): Promise<unknown> =>
  Promise.all([
    sql(`update greylist set first_try = first_try - interval '${seconds} s', expires = expires - interval '${seconds} s'`),
    sql(`update greylist_client set counted = counted - interval '${seconds} s', expires = expires - interval '${seconds} s'`),
  ])
const forget = () => Promise.all([sql('delete from greylist'), sql('delete from greylist_client')])

const EARLY = /^451 4\.7\.1 Greylisted: try again in (?:300|29\d) seconds$/
const ANN = 'ann@example.org'
const BOB = 'bob@example.org'

test('who is not known comes again, to another process and from the host beside, and is let in; then a network is known', async () => {
  const from = 'x@a.test'
  assert.match(await rcpt(ANN, { ip: '192.0.2.1', from }), EARLY)
  assert.match(await rcpt(ANN, { ip: '192.0.2.1', from, at: second }), EARLY)
  await later(301)
  assert.match(await send([ANN], { ip: '192.0.2.200', from, at: second }), /^250 /)
  assert.match(await rcpt(ANN, { ip: '192.0.2.1', from: 'X+tag@A.test' }), /^250 /)
  assert.match(await rcpt(BOB, { ip: '192.0.2.1', from }), EARLY)
  assert.match(await rcpt(ANN, { ip: '192.0.3.1', from }), EARLY)
  await later(3_600)
  assert.match(await rcpt(BOB, { ip: '192.0.2.1', from }), /^250 /)
  assert.match(await rcpt(BOB, { ip: '192.0.2.77', from: 'new@b.test', at: second }), /^250 /)
  assert.match(await rcpt(ANN, { ip: '2001:db8:1:2::3', from }), EARLY)
  await later(301)
  assert.match(await rcpt(ANN, { ip: '2001:db8:1:2:ffff::', from }), /^250 /)
  assert.match(await rcpt(ANN, { ip: '2001:db8:1:3::3', from }), EARLY)
  await forget()
})

test('each recipient has its own answer, and nobody who was told to wait gets the message', async () => {
  const one = { ip: '192.0.2.1', from: 'x@a.test' }
  await rcpt(ANN, one)
  await later(301)
  const client = await greeted(one)
  assert.match(await client.say(`RCPT TO:<${BOB}>`), EARLY)
  await client.expect([`RCPT TO:<nobody@example.org>`, '550 5.1.1'], [`RCPT TO:<x@elsewhere.test>`, '550 5.7.1'], [`RCPT TO:<${ANN}>`, '250'])
  await client.expect(['DATA', '354'], ['Subject: one\r\n\r\nx\r\n.', '250'])
  const [ann, bob] = await Promise.all([ANN, BOB].map(countOf))
  assert.match(await rcpt(BOB, one), EARLY)
  assert.deepEqual(await Promise.all([ANN, BOB].map(countOf)), [ann, bob])
  assert.ok(ann! > 0)
  assert.equal(bob, 0)
  await forget()
})

async function countOf(address: string): Promise<number> {
  let n = -1
  await pool.rows(
    { name: '', text: `select (select count(*) from change c join account a using (account_id) where a.address = $1 and c.mailbox_id = 1)::int4` },
    [address],
    (row) => {
      n = row.int()
    },
  )
  return n
}

test('all commands in one packet, in the clear and behind STARTTLS: answers in order', async () => {
  const one = { ip: '192.0.2.1', from: 'x@a.test' }
  await rcpt(ANN, one)
  await later(301)
  const plain = await greeted(one)
  await plain.expect(['STARTTLS', '220'])
  const client = await plain.startTls()
  await client.expect(['EHLO c', '250'])
  const commands = [`MAIL FROM:<${one.from}>`, `RCPT TO:<${BOB}>`, `RCPT TO:<${ANN}>`, 'RCPT TO:<no@example.org>', `RCPT TO:<${BOB}>`, 'DATA']
  client.write(commands.map((line) => `${line}\r\n`).join(''))
  const codes: string[] = []
  for (const _ of commands) codes.push((await client.reply()).slice(0, 3))
  assert.deepEqual(codes, ['250', '451', '250', '550', '451', '354'])
  await client.expect(['Subject: piped\r\n\r\nx\r\n.', '250'])
  client.write(`MAIL FROM:<${one.from}>\r\nRCPT TO:<${BOB}>\r\nDATA\r\n`)
  assert.deepEqual(
    [await client.reply(), await client.reply(), await client.reply()].map((reply) => reply.slice(0, 3)),
    ['250', '451', '503'],
  )
  client.close()
  await forget()
})

test('a sender with a pool of addresses is known by the domain that SPF passes for', async () => {
  const from = 'news@big.test'
  assert.match(await rcpt(ANN, { ip: '192.0.2.9', from }), EARLY)
  await later(301)
  assert.match(await rcpt(ANN, { ip: '198.51.100.9', from, at: second }), /^250 /)
  // Who only says so is not.
  assert.match(await rcpt(ANN, { ip: '203.0.113.77', from }), EARLY)
  await later(3_600)
  for (const ip of ['192.0.2.1', '198.51.100.1']) assert.match(await rcpt(ANN, { ip, from: `${ip}@big.test` }), /^451/)
  await later(301)
  assert.match(await rcpt(ANN, { ip: '192.0.2.3', from: '198.51.100.1@big.test' }), /^250 /)
  // In two hours something passed: the domain is known.
  assert.match(await rcpt(BOB, { ip: '198.51.100.3', from: 'other@big.test' }), /^250 /)
  assert.match(await rcpt(BOB, { ip: '203.0.113.3', from: 'other@big.test' }), EARLY)
  await forget()
})

test('the null sender hears it of a message: who only asks for an address is answered', async () => {
  const one = { ip: '192.0.4.1', from: '' }
  assert.match(await rcpt(ANN, one), /^250 /)
  assert.match(await send([ANN, BOB], one), EARLY)
  assert.match(await send([ANN, BOB], one), EARLY)
  assert.match(await send(['postmaster@example.org', BOB], one), EARLY)
  assert.match(await send(['postmaster@example.org', 'Postmaster'], one), /^250 /)
  await later(301)
  assert.match(await send([ANN], { ...one, at: second }), /^250 /)
  await forget()
})

test('who does not have to wait: postmaster and abuse, an account’s friends, who is exempt, who is on a list of good ones', async () => {
  for (const to of ['Postmaster', 'postmaster@example.org', 'abuse@example.org'])
    assert.match(await rcpt(to, { ip: '192.0.2.1', from: 'x@a.test' }), /^250 /)
  assert.match(await rcpt(BOB, { ip: '192.0.2.1', from: 'x@friend.test' }), /^250 /)
  assert.match(await rcpt(ANN, { ip: '192.0.2.1', from: 'x@friend.test' }), EARLY)
  assert.match(await rcpt(BOB, { ip: '192.0.2.1', from: 'x@foe.test' }), /^550 5\.7\.1 /)
  assert.match(await rcpt(ANN, { ip: '203.0.113.1', from: 'x@a.test' }), /^250 /)
  const rule: ListRule = { zone: 'good.test', name: 'good.test', action: 'allow', counts: () => true }
  const lists = new (class extends Lists {
    override look = async (): Promise<readonly Listing[]> => [{ rule, code: '127.0.5.2' }]
  })({ dns, rules: [rule], log })
  const friendly = await site({ lists })
  sites.push(friendly)
  assert.match(await rcpt(ANN, { ip: '192.0.9.1', from: 'x@a.test', at: friendly }), /^250 /)
  await forget()
})

test('a greylist that cannot be asked keeps nobody out', async () => {
  const gone = new Pool({ connect: db.connect, max: 1, log })
  await gone.close()
  const away = await site({ greylist: createGreylist(gone, log) })
  sites.push(away)
  assert.match(await send([ANN, BOB], { ip: '192.0.2.1', from: 'x@a.test', at: away }), /^250 /)
  assert.match(await send([ANN], { ip: '192.0.2.1', from: '', at: away }), /^250 /)
})

test('names', () => {
  assert.deepEqual(['192.0.2.255', '::ffff:192.0.2.1', '2001:db8::1'].map(greylistedNetwork), ['192.0.2.0/24', '192.0.2.0/24', '2001:db8:0:0::/64'])
  assert.deepEqual(
    ['Ann+x@A.test', 'bounce-123-4-ann=b.test@l.test', 'a1b2@c.test', '', '"a b"@c.test', 'x@9.test', 'not an address'].map(senderKey),
    ['ann@a.test', 'bounce-#-#-ann=b.test@l.test', 'a1b2@c.test', '', '"a b"@c.test', 'x@9.test', 'not an address'],
  )
})
