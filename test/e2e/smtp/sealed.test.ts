/** What is sent on under a seal, on the real store: by forwarding and by a list, each with the key of its own domain. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { createTls } from '../../../src/net/tls.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { blockEnd } from '../../../src/smtp/header.ts'
import type { Findings } from '../../../src/smtp/inbound/findings.ts'
import { startVerifying } from '../../../src/smtp/inbound/verify.ts'
import { mxService } from '../../../src/smtp/server.ts'
import type { DkimKey } from '../../../src/smtp/signing.ts'
import { type House, outboundHouse, until } from '../outbound/house.ts'
import { type Peer, startPeer } from '../outbound/peer.ts'
import { Client, openThrottle, pair, serveOn } from './harness.ts'

const HOSTNAME = 'mail.example.test'
const keyPair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const privateKey = keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = { TXT: [`v=DKIM1; k=rsa; p=${keyPair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`] }
const zones = {
  'elsewhere.example': { MX: [{ preference: 10, exchange: 'mx.elsewhere.example' }] },
  'mx.elsewhere.example': { A: ['127.0.0.1'] },
  'writer.example': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
  '_dmarc.writer.example': { TXT: ['v=DMARC1; p=reject'] },
  'k._domainkey.example.test': record,
  'k._domainkey.lists.test': record,
  'lost._domainkey.example.test': { trouble: true },
}
/** By domain. */
const keys: Record<string, DkimKey[]> = {
  'example.test': [{ domain: 'example.test', selector: 'k', privateKey }],
  'lists.test': [
    { domain: 'lists.test', selector: 'e', privateKey: ed25519 },
    { domain: 'lists.test', selector: 'k', privateKey },
  ],
  'ed.test': [{ domain: 'ed.test', selector: 'e', privateKey: ed25519 }],
}
let house: House
let peer: Peer
let port: number
let unsealed: number
const closers: (() => Promise<unknown>)[] = []

before(async () => {
  house = await outboundHouse(zones)
  peer = await startPeer()
  const { store, accounts, queue, dns } = house
  const forward = { to: ['ben@elsewhere.example'], keep: true }
  const one = (address: string, more = {}) => ({ address, aliases: [], passwordHash: '$argon2id$none', ...more })
  const onward = ['friend@elsewhere.example']
  await accounts.reconcile({
    domains: ['example.test', 'lists.test', 'ed.test', 'bare.test'],
    accounts: [one('anna@example.test'), one('ben@example.test', { inbound: { forward } }), one('cid@bare.test', { inbound: { forward } })],
    lists: ['lists.test', 'ed.test'].map((domain) => ({ address: `team@${domain}`, owner: 'anna@example.test', members: [], onward })),
  })
  const inbound = { dns, rules: { dmarc: () => 'junk' as const, trustedSealers: new Set<string>() }, isOwn: () => false }
  const serve = (keysFor?: (domain: string) => Promise<DkimKey[]>) =>
    serveOn(
      mxService({
        ...{ store, accounts, queue, srs: srsOf(accounts), hostname: HOSTNAME, primaryDomain: 'example.test', log: silentLog() },
        ...{ throttle: openThrottle().throttle, tls: createTls(pair).service('mx'), limits: { greetingDelayMs: 0 } },
        inbound: { ...inbound, keysFor },
      }),
      'starttls',
    )
  const [sealing, plain] = [await serve(async (domain) => keys[domain] ?? []), await serve()]
  closers.push(...[sealing, plain].map((listener) => () => listener.drain(1_000)))
  port = sealing.port
  unsealed = plain.port
  house.work(peer.port)
})
beforeEach(() => {
  peer.took.length = 0
})
after(async () => {
  await Promise.all(closers.map((close) => close()))
  await peer?.close()
  await house?.close()
})

let made = 0
const text = (more = ''): string =>
  `${more}From: Ann <ann@writer.example>\r\nSubject: no ${++made}\r\nMessage-ID: <${made}@writer.example>\r\n\r\nbody \r\n`

/** What came to the other side, in the order of its recipients. */
async function sentOn(message: string, to: readonly string[], at = port): Promise<string[]> {
  peer.took.length = 0
  const client = await Client.connect(at)
  await client.reply()
  await client.expect(['EHLO c.example', '250'], ['MAIL FROM:<ann@writer.example>', '250'])
  for (const each of to) await client.expect([`RCPT TO:<${each}>`, '250'])
  await client.expect(['DATA', '354'])
  assert.match(await client.say(`${message}.`), /^250 /)
  client.close()
  await until('all is sent on', () => peer.took.length === to.length)
  return peer.took.toSorted((a, b) => (a.to[0]! < b.to[0]! ? -1 : 1)).map((took) => took.text)
}

async function verified(message: string): Promise<Findings> {
  const octets = Buffer.from(message, 'latin1')
  const block = octets.subarray(0, blockEnd(octets))
  const envelope = { ip: '192.0.2.1', helo: HOSTNAME, from: '' }
  const verification = await startVerifying(block, { envelope, dns: house.dns, hostname: 'mx.elsewhere.example', over: new AbortController().signal })
  verification.body(octets.subarray(block.length))
  return verification.finish()
}

/** Names of the fields on top. */
const fieldNames = (message: string): string[] => [...message.slice(0, message.indexOf('\r\n\r\n')).matchAll(/^([\w-]+):/gm)].map(([, name]) => name!)

test('what is forwarded and what goes to a list, each under the seal of its domain; what stays has none', async () => {
  const [forwarded, listed] = (await sentOn(text(), ['ben@example.test', 'team@lists.test'])) as [string, string]
  for (const [message, domain] of [
    [forwarded, 'example.test'],
    [listed, 'lists.test'],
  ] as const) {
    const set = ['ARC-Seal', 'ARC-Message-Signature', 'ARC-Authentication-Results', 'Delivered-To', 'Authentication-Results', 'Received', 'From']
    assert.deepEqual(fieldNames(message).slice(0, set.length), set)
    const { arc } = await verified(message)
    assert.deepEqual(arc, { result: 'pass', comment: undefined, sets: [{ sealer: domain, dmarc: { result: 'pass', from: 'writer.example' } }] })
    assert.match(message, new RegExp(`^ARC-Seal: i=1; cv=none; a=rsa-sha256; d=${domain.replace('.', '\\.')}; s=k;`))
    assert.match(message, /\r\nARC-Authentication-Results: i=1; mail\.example\.test;\r\n\tspf=pass smtp\.mailfrom=writer\.example;/)
    assert.equal((await verified(message.replace('body', 'Body'))).arc.result, 'fail')
  }
  assert.ok((await house.inbox(house.ben)).every((kept) => !kept.includes('ARC-')))
})

test('the chain goes on where it held, is marked where it did not, and is left alone where that cannot be told', async () => {
  const [first] = (await sentOn(text(), ['ben@example.test'])) as [string]
  const again = first.replace(/^Delivered-To: .*\r\n/m, '')
  const [second] = (await sentOn(again, ['team@lists.test'])) as [string]
  assert.match(second, /^ARC-Seal: i=2; cv=pass; /)
  const { arc } = await verified(second)
  assert.deepEqual([arc.result, arc.sets.map(({ sealer }) => sealer)], ['pass', ['lists.test', 'example.test']])
  const [broken] = (await sentOn(again.replace('body', 'Body'), ['team@lists.test'])) as [string]
  assert.match(broken, /^ARC-Seal: i=2; cv=fail; /)
  assert.equal((await verified(broken)).arc.result, 'fail')
  const [stays] = (await sentOn(broken.replace(/^Delivered-To: .*\r\n/m, ''), ['ben@example.test'])) as [string]
  assert.match(stays, /^Delivered-To: ben@example\.test\r\n/)
  assert.doesNotMatch(stays, /i=3/)
  const [unknown] = (await sentOn(again.replaceAll('s=k', 's=lost'), ['team@lists.test'])) as [string]
  assert.match(unknown, /^Delivered-To: team@lists\.test\r\nAuthentication-Results: .*\r\n(?:\t.*\r\n)*\tarc=temperror/)
  assert.doesNotMatch(unknown, /i=2/)
})

test('no seal without an RSA key, nor where it is not wanted', async () => {
  for (const [to, at] of [
    ['cid@bare.test', port],
    ['team@ed.test', port],
    ['ben@example.test', unsealed],
  ] as const) {
    const [message] = (await sentOn(text(), [to], at)) as [string]
    assert.ok(message.startsWith(`Delivered-To: ${to}\r\nAuthentication-Results: ${HOSTNAME};`), message)
    assert.doesNotMatch(message, /^ARC-/m)
  }
})

test('the lie of somebody else in a set of his own is sealed as what it is', async () => {
  const forged = `ARC-Seal: i=1; cv=none; a=rsa-sha256; d=bank.example; s=k; b=AAAA\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=bank.example; s=k; h=from; bh=AAAA; b=AAAA\r\nARC-Authentication-Results: i=1; ${HOSTNAME}; dmarc=pass header.from=bank.example\r\n`
  const [message] = (await sentOn(text(forged), ['ben@example.test'])) as [string]
  assert.match(message, /^ARC-Seal: i=2; cv=fail; .*d=example\.test/)
  assert.match(message, /\r\nARC-Authentication-Results: i=2; [\s\S]*?arc=fail /)
})
