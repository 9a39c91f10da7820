/** Forgeries on port 25: what is refused, what is junk, what is only marked; on a real Postgres. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, test } from 'node:test'
import { sealMessage } from 'mailauth/lib/arc/index.js'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { hashPassword } from '../../../src/auth/password.ts'
import { silentLog } from '../../../src/log.ts'
import type { Dns } from '../../../src/net/dns/dns.ts'
import { createTls } from '../../../src/net/tls.ts'
import { mxService } from '../../../src/smtp/server.ts'
import type { Action } from '../../../src/smtp/vote.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { openStore } from '../../../src/store/pg/index.ts'
import type { ContentId } from '../../../src/store/types.ts'
import { eachUid } from '../../../src/store/uidset.ts'
import { testDatabase } from '../../support/postgres.ts'
import { fakeDns, type Zone } from '../outbound/peer.ts'
import { Client, pair, serveOn } from './harness.ts'

const key = generateKeyPairSync('rsa', { modulusLength: 2048 })
const privateKey = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = { TXT: [`v=DKIM1; k=rsa; p=${key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`] }
const zones: Record<string, Zone> = {
  'good.test': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
  '_dmarc.good.test': { TXT: ['v=DMARC1; p=reject'] },
  'bank.test': { TXT: ['v=spf1 -all'] },
  '_dmarc.bank.test': { TXT: ['v=DMARC1; p=reject'] },
  'k._domainkey.bank.test': record,
  'quiet.test': { TXT: ['v=spf1 -all'] },
  '_dmarc.quiet.test': { TXT: ['v=DMARC1; p=quarantine'] },
  'none.test': { TXT: ['v=spf1 -all'] },
  '_dmarc.none.test': { TXT: ['v=DMARC1; p=none'] },
  'lost.test': { trouble: true },
  '_dmarc.lost.test': { trouble: true },
  'k._domainkey.list.test': record,
  'k._domainkey.other-list.test': record,
}

const log = silentLog()
const db = await testDatabase()
const drivers = createMemoryDrivers(log)
const opened = await openStore({ connect: db.connect, drivers, log })
const { store, accounts } = opened
const passwordHash = await hashPassword('secret')
const names = ['ann@example.org', 'bob@example.org', 'cid@mild.example', 'dan@open.example']
await accounts.reconcile({
  domains: ['example.org', 'mild.example', 'open.example'],
  accounts: names.map((address) => ({ address, aliases: [], passwordHash })),
})
const tls = createTls(pair)
const base = { store, accounts, throttle: drivers.throttle, log, hostname: 'mx.example.org', primaryDomain: 'example.org', tls: tls.service('mx') }
const actions: Record<string, Action> = { 'mild.example': 'junk', 'open.example': 'mark' }
const rules = { dmarc: (domain: string) => actions[domain] ?? 'reject', trustedSealers: new Set(['list.test']) }
const limits = { greetingDelayMs: 0, messagesPerHour: 10_000 }
const others = { rules, isOwn: () => false }
const silent: Dns = { validates: false, ask: () => new Promise<never>(() => {}) }
const mx = await serveOn(mxService({ ...base, inbound: { dns: fakeDns(zones), ...others }, limits }), 'starttls')
const deaf = await serveOn(mxService({ ...base, inbound: { dns: silent, ...others, verdictMs: 300 }, limits }), 'starttls')
const hidden = await serveOn(mxService({ ...base, inbound: { dns: fakeDns(zones), ...others, isHidden: () => true }, limits }), 'starttls')
const own = await serveOn(mxService({ ...base, inbound: { dns: silent, rules, isOwn: (address) => address === '127.0.0.1' }, limits }), 'starttls')
after(async () => {
  await Promise.all([mx, deaf, hidden, own].map((listener) => listener.drain(2_000)))
  await opened.close()
  await drivers.close()
  await db.close()
})

/** All messages of a mailbox, oldest first. */
async function mailbox(address: string, name: string): Promise<string[]> {
  const access = accounts.grant((await accounts.login(address))!)
  await using selected = await store.select(await store.open(access, name, false), { changed() {}, gone() {} })
  const out: string[] = []
  for (const uid of eachUid(selected.view.uids('uid', [1, 2 ** 32 - 1]))) {
    const found = selected.index.find(uid)!
    const pieces: Buffer[] = []
    for await (const piece of store.read(access, found.segment.contents[found.row]! as ContentId, 0, found.segment.sizes[found.row]!))
      pieces.push(Buffer.from(piece))
    out.push(Buffer.concat(pieces).toString('latin1'))
  }
  return out
}

const last = async (address: string, name = 'INBOX'): Promise<string> => (await mailbox(address, name)).at(-1) ?? ''
/** The field that stands on top, unfolded. */
const results = (text: string): string =>
  /^Return-Path: .*\r\nAuthentication-Results: (.*(?:\r\n\t.*)*)\r\nReceived: /.exec(text)?.[1]?.replaceAll(/\s+/g, ' ') ?? ''

interface Sent {
  readonly from?: string
  readonly to?: readonly string[]
  readonly port?: number
}

async function send(text: string, { from = 'x@elsewhere.test', to = ['ann@example.org'], port = mx.port }: Sent = {}): Promise<string> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO c.test', '250'], [`MAIL FROM:<${from}>`, '250'])
  for (const recipient of to) await client.expect([`RCPT TO:<${recipient}>`, '250'])
  await client.expect(['DATA', '354'])
  client.write(text)
  client.write('\r\n.\r\n')
  const reply = await client.reply(30_000)
  client.close()
  return reply
}

let made = 0
/** No two are alike: what is sent twice is a retry. */
const by = (domain: string, more = ''): string => `From: Ann <ann@${domain}>\r\nSubject: hi\r\nX-Number: ${++made}\r\n${more}\r\nbody\r\n`

async function signed(domain: string, text = by(domain)): Promise<string> {
  const signatureData = [{ signingDomain: domain, selector: 'k', privateKey }]
  const { signatures } = await dkimSign(Buffer.from(`${text}\r\n`, 'latin1'), { canonicalization: 'relaxed/relaxed', signatureData } as never)
  return signatures + text
}

test('mail that its domain stands by, by SPF or by a signature', async () => {
  assert.match(await send(by('good.test'), { from: 'ann@good.test' }), /^250 /)
  assert.equal(
    results(await last('ann@example.org')),
    'mx.example.org; spf=pass smtp.mailfrom=good.test; dkim=none; dmarc=pass (p=reject) header.from=good.test',
  )
  assert.match(await send(await signed('bank.test')), /^250 /)
  assert.match(
    results(await last('ann@example.org')),
    /^mx\.example\.org; spf=none smtp\.mailfrom=elsewhere\.test; dkim=pass header\.d=bank\.test header\.s=k header\.a=rsa-sha256 header\.b=\S{8,10}; dmarc=pass \(p=reject\) header\.from=bank\.test$/,
  )
})

test('SPF that fails is marked where DMARC says nothing', async () => {
  assert.match(await send(by('none.test'), { from: 'ann@none.test' }), /^250 /)
  assert.match(
    results(await last('ann@example.org')),
    /spf=fail smtp\.mailfrom=none\.test; dkim=none; dmarc=fail \(p=none\) header\.from=none\.test$/,
  )
})

test('p=reject is refused, in words; p=quarantine is junk', async () => {
  const before = (await mailbox('ann@example.org', 'INBOX')).length
  const refused = '550 5.7.26 Mail from bank.test has to pass SPF or DKIM for that domain, and this passes neither; its DMARC policy is p=reject'
  assert.equal(await send(by('bank.test'), { from: 'ann@bank.test' }), refused)
  assert.equal(await send((await signed('bank.test')).replace('body', 'Body')), refused)
  assert.match(await send(by('quiet.test'), { to: ['ann@example.org', 'bob@example.org'] }), /^250 /)
  assert.equal((await mailbox('ann@example.org', 'INBOX')).length, before)
  for (const address of ['ann@example.org', 'bob@example.org'])
    assert.match(results(await last(address, 'Junk')), /dmarc=fail \(p=quarantine\) header\.from=quiet\.test$/)
})

test('each domain of ours has its own rule, and nobody loses what another takes', async () => {
  assert.match(await send(by('bank.test'), { to: ['cid@mild.example'] }), /^250 /)
  assert.match(await last('cid@mild.example', 'Junk'), /bank\.test/)
  assert.match(await send(by('bank.test'), { to: ['dan@open.example'] }), /^250 /)
  assert.match(results(await last('dan@open.example')), /dmarc=fail \(p=reject\) header\.from=bank\.test$/)
  assert.match(await send(by('bank.test', 'X-Mixed: 1\r\n'), { to: ['bob@example.org', 'dan@open.example'] }), /^250 /)
  assert.match(await last('bob@example.org', 'Junk'), /X-Mixed/)
  assert.match(await last('dan@open.example'), /X-Mixed/)
})

test('who asks postmaster or abuse why is heard, in Junk; with others among the recipients it is theirs', async () => {
  for (const to of [['postmaster'], ['Postmaster@example.org'], ['"postmaster"@example.org', 'abuse@example.org']]) {
    const mark = `X-Asks: ${++made}\r\n`
    assert.match(await send(by('bank.test', mark), { to }), /^250 /, `${to}`)
    assert.ok((await last('ann@example.org', 'Junk')).includes(mark))
  }
  assert.match(await send(by('bank.test'), { to: ['postmaster@example.org', 'bob@example.org'] }), /^550 5\.7\.26 /)
  assert.match(await send(by('bank.test'), { to: ['postmaster.x@example.org'] }).catch((err: unknown) => `${err}`), /550 5\.1\.1/)
})

test('who has no mailbox for junk has it in the inbox; a mailbox that took the use over is meant', async () => {
  const bob = accounts.grant((await accounts.login('bob@example.org'))!)
  await store.remove(bob, 'Junk')
  assert.match(await send(by('quiet.test', 'X-Where: 1\r\n'), { to: ['bob@example.org'] }), /^250 /)
  assert.match(await last('bob@example.org'), /X-Where/)
  await store.create(bob, 'Rubbish', '\\Junk')
  assert.match(await send(by('quiet.test', 'X-Where: 2\r\n'), { to: ['bob@example.org'] }), /^250 /)
  assert.match(await last('bob@example.org', 'Rubbish'), /X-Where: 2/)
})

test('a retry whose verdict is another one is still the same message', async () => {
  const text = by('turn.test', 'X-Turn: 1\r\n')
  assert.match(await send(text, { to: ['cid@mild.example'] }), /^250 /)
  zones['_dmarc.turn.test'] = { TXT: ['v=DMARC1; p=quarantine'] }
  assert.match(await send(text, { to: ['cid@mild.example'] }), /^250 /)
  const all = [...(await mailbox('cid@mild.example', 'INBOX')), ...(await mailbox('cid@mild.example', 'Junk'))]
  assert.equal(all.filter((one) => one.includes('X-Turn: 1')).length, 1)
})

async function listed(sealer: string, authResults = 'mx.list.test; dmarc=pass header.from=bank.test', more = ''): Promise<string> {
  const changed = (await signed('bank.test', by('bank.test', more))).replace('Subject: hi', 'Subject: [list] hi')
  const seal = { signingDomain: sealer, selector: 'k', privateKey, cv: 'none', authResults }
  return (await sealMessage(Buffer.from(`${changed}\r\n`, 'latin1'), seal as never)).toString('latin1') + changed
}

test('a list that is trusted may change what it sends on; others may not', async () => {
  const message = await listed('list.test')
  assert.match(await send(message), /^250 /)
  const found = results(await last('ann@example.org'))
  assert.match(found, /arc=pass \(i=1 d=list\.test\) smtp\.remote-ip=127\.0\.0\.1; dmarc=fail \(p=reject, overridden by arc of list\.test\)/)
  assert.match(await send(await listed('other-list.test')), /^550 5\.7\.26 /)
  assert.match(await send(await listed('list.test', 'mx.list.test; dmarc=fail header.from=bank.test')), /^550 5\.7\.26 /)
  assert.match(await send(await listed('list.test', 'mx.list.test; dmarc=pass header.from=evil.test')), /^550 5\.7\.26 /)
  assert.match(await send(message.replace('body', 'Body')), /^550 5\.7\.26 /)
})

test('trouble of the DNS refuses nothing', async () => {
  assert.match(await send(by('lost.test'), { from: 'ann@lost.test' }), /^250 /)
  assert.match(results(await last('ann@example.org')), /spf=temperror smtp\.mailfrom=lost\.test; dkim=none; dmarc=temperror header\.from=lost\.test$/)
  const message = await signed('bank.test')
  zones['k._domainkey.bank.test'] = { trouble: true }
  assert.match(await send(message), /^250 /)
  zones['k._domainkey.bank.test'] = record
  assert.match(results(await last('ann@example.org')), /dkim=temperror .*dmarc=temperror \(p=reject\)/)
  const list = await listed('list.test', undefined, 'X-Trouble: 1\r\n')
  zones['k._domainkey.list.test'] = { trouble: true }
  assert.match(await send(list), /^250 /)
  zones['k._domainkey.list.test'] = record
  assert.match(results(await last('ann@example.org')), /arc=temperror .*overridden by arc cannot be checked\)/)
})

test('a DNS that says nothing is waited for within bounds', async () => {
  const started = performance.now()
  assert.match(await send(await signed('bank.test'), { port: deaf.port, from: 'ann@bank.test' }), /^250 /)
  assert.ok(performance.now() - started < 3_000)
  assert.match(results(await last('ann@example.org')), /spf=temperror .*; dkim=temperror .*; dmarc=temperror header\.from=bank\.test$/)
})

test('whose address is hidden is not refused for it, and a signature still counts', async () => {
  const { port } = hidden
  assert.match(await send(by('bank.test', 'X-Hidden: 1\r\n'), { port, from: 'ann@bank.test' }), /^250 /)
  const text = await last('ann@example.org', 'Junk')
  assert.ok(text.includes('X-Hidden: 1'))
  assert.match(results(text), /spf=policy \(the address of the client is hidden\) smtp\.mailfrom=bank\.test; dkim=none; dmarc=fail/)
  assert.match(await send(await signed('bank.test'), { port }), /^250 /)
  assert.match(results(await last('ann@example.org')), /dmarc=pass/)
})

test('mail of this host itself is not asked for anything', async () => {
  assert.match(await send(by('bank.test', 'X-Own: 1\r\n'), { port: own.port }), /^250 /)
  assert.match(await last('ann@example.org'), /^Return-Path: .*\r\nReceived: [\s\S]*X-Own: 1/)
})

test('what it says of itself in our name is gone', async () => {
  const forged =
    'Authentication-Results: mx.example.org; dmarc=pass header.from=good.test\r\nauthentication-results:\r\n (x) MX.example.org 1;\r\n\tspf=pass\r\nAuthentication-Results: elsewhere.test; spf=pass\r\n'
  for (const port of [mx.port, own.port]) {
    assert.match(await send(`${forged}${by('none.test', `X-Port: ${port}\r\n${forged}`)}`, { port }), /^250 /)
    const text = await last('ann@example.org')
    assert.equal(text.match(/^authentication-results:/gim)?.length, port === mx.port ? 3 : 2)
    assert.equal(text.match(/elsewhere\.test; spf=pass/g)?.length, 2)
    assert.ok(text.endsWith('\r\n\r\nbody\r\n\r\n') && text.includes('Subject: hi'))
  }
})

test('headers that can be read in two ways', async () => {
  const from = 'ann@good.test'
  for (const [text, reply] of [
    [by('good.test', 'From: eve@evil.test\r\n'), /^550 5\.7\.1 The message must have one From line, it has several$/],
    [by('good.test', 'from :\r\n eve@evil.test\r\n'), /^550 5\.7\.1 /],
    [by('good.test', 'From\r\n : eve@evil.test\r\n'), /^550 5\.7\.1 /],
    [` From: eve@evil.test\r\n${by('good.test')}`, /^550 5\.7\.1 /],
    [by('good.test', 'X: a\0b\r\n'), /^554 5\.6\.0 NUL in the header$/],
    [by('good.test', 'DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=k; h=from; bh=; b=AAAA\r\n'.repeat(900)), /^250 /],
    [`From:\r\n "Ann"\r\n\t<ann@\r\n good.test>\r\nSubject: x\r\n\r\nx`, /^250 /],
    [`From: Us: ann@good.test;\r\n\r\nx`, /^250 /],
  ] as const)
    assert.match(await send(text, { from }), reply, JSON.stringify(text.slice(0, 60)))
  for (const header of ['Subject: nobody', 'From: Us:;', 'From: ann@good.test, eve@evil.test', 'From: ann']) {
    assert.match(await send(`${header}\r\nX-Case: ${header}\r\n\r\nx`, { from }), /^250 /)
    const text = await last('ann@example.org', 'Junk')
    assert.ok(text.includes(`X-Case: ${header}`), header)
    assert.match(results(text), /dmarc=permerror \([^)]+\)$/)
  }
})

test('a large message of long lines', async () => {
  const text = await signed('bank.test', by('bank.test').replace('body', `${'x '.repeat(30_000)}\r\n`.repeat(80)))
  const started = performance.now()
  assert.match(await send(text), /^250 /)
  assert.ok(performance.now() - started < 10_000, `${performance.now() - started} ms`)
  assert.match(results(await last('ann@example.org')), /dkim=pass/)
})
