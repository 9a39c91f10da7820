/** Verdicts on messages with keys of the test's own and a DNS that says what it is told. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { sealMessage } from 'mailauth/lib/arc/index.js'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { type Dns, DnsTrouble, NoSuchName } from '../../net/dns/dns.ts'
import { blockEnd } from '../header.ts'
import type { Findings } from './findings.ts'
import { startVerifying } from './verify.ts'

const pair = (bits: number) => generateKeyPairSync('rsa', { modulusLength: bits })
const good = pair(2048)
const short = pair(768)
const pem = (key: typeof good): string => key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = (key: typeof good): string => `v=DKIM1; k=rsa; p=${key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`

type Zones = Record<string, readonly string[] | 'trouble' | 'silence'>
/** TXT records; `A:` before a name for others. */
const ZONES: Zones = {
  'a.test': ['v=spf1 ip4:192.0.2.1 -all'],
  '_dmarc.a.test': ['v=DMARC1; p=reject'],
  'k._domainkey.a.test': [record(good)],
  'short._domainkey.a.test': [record(short)],
  'k._domainkey.list.test': [record(good)],
  '_dmarc.q.test': ['v=DMARC1; p=quarantine'],
  '_dmarc.n.test': ['v=DMARC1; p=none'],
}

function dnsOf(zones: Zones): Dns & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    validates: false,
    async ask(name, type) {
      asked.push(`${type} ${name}`)
      const found = zones[type === 'TXT' ? name : `${type}:${name}`]
      if (found === undefined) throw new NoSuchName(name)
      if (found === 'trouble') throw new DnsTrouble(name)
      if (found === 'silence') return new Promise<never>(() => {})
      return { records: found as never, secure: false, name }
    },
  }
}

interface Asked {
  readonly zones?: Zones
  readonly ip?: string
  readonly from?: string
  readonly helo?: string
  readonly step?: number
  readonly over?: AbortSignal
  readonly dns?: Dns
}

async function findings(
  message: string | Buffer,
  { zones = {}, ip = '192.0.2.9', from = 'x@other.test', helo = 'h.test', step = 10_000, over, dns }: Asked = {},
): Promise<Findings> {
  const octets = typeof message === 'string' ? Buffer.from(message, 'latin1') : message
  const end = blockEnd(octets)
  const signal = over ?? new AbortController().signal
  const o = { envelope: { ip, helo, from }, dns: dns ?? dnsOf({ ...ZONES, ...zones }), hostname: 'mx.example.org', over: signal }
  const verification = await startVerifying(octets.subarray(0, end), o)
  for (let at = end; at < octets.length; at += step) {
    const chunk = Buffer.from(octets.subarray(at, at + step))
    verification.body(chunk)
    chunk.fill(0)
  }
  return verification.finish()
}

const MESSAGE = 'From: Ann <ann@a.test>\r\nTo: b@x.test\r\nSubject: hi\r\n\r\nbody  x\r\n\r\n'

async function signed(
  message = MESSAGE,
  o: { key?: typeof good; selector?: string; domain?: string; canonicalization?: string; maxBodyLength?: number } = {},
): Promise<string> {
  const { key = good, selector = 'k', domain = 'a.test', canonicalization = 'relaxed/relaxed', maxBodyLength } = o
  const data = {
    signingDomain: domain,
    selector,
    privateKey: pem(key),
    algorithm: 'rsa-sha256',
    canonicalization,
    ...(maxBodyLength !== undefined && { maxBodyLength }),
  }
  const { signatures } = await dkimSign(Buffer.from(message, 'latin1'), { canonicalization, signTime: new Date(), signatureData: [data] } as never)
  return signatures + message
}

const brief = ({ spf, dkim, dmarc }: Findings) => [spf.result, dkim.map(({ result }) => result).join(' '), dmarc.result, dmarc.policy]

test('SPF that passes, and DMARC with it; SPF of another domain is none of its author', async () => {
  const from = 'ann@a.test'
  assert.deepEqual(brief(await findings(MESSAGE, { ip: '192.0.2.1', from })), ['pass', '', 'pass', 'reject'])
  assert.deepEqual(brief(await findings(MESSAGE, { from })), ['fail', '', 'fail', 'reject'])
  const zones = { 'other.test': ['v=spf1 +all'] }
  assert.deepEqual(brief(await findings(MESSAGE, { zones })), ['pass', '', 'fail', 'reject'])
  // The null sender: the name in EHLO.
  const helo = await findings(MESSAGE, { ip: '192.0.2.1', from: '', helo: 'a.test' })
  assert.deepEqual([...brief(helo), helo.spf.identity, helo.spf.domain], ['pass', '', 'pass', 'reject', 'smtp.helo', 'a.test'])
})

test('what each domain asks for', async () => {
  const of = async (domain: string) => (await findings(MESSAGE.replace('ann@a.test', `ann@${domain}`))).dmarc
  assert.deepEqual(await of('q.test'), { result: 'fail', policy: 'quarantine', from: 'q.test', comment: 'p=quarantine' })
  assert.deepEqual(await of('n.test'), { result: 'fail', policy: 'none', from: 'n.test', comment: 'p=none' })
  assert.deepEqual(await of('sub.q.test'), { result: 'fail', policy: 'quarantine', from: 'sub.q.test', comment: 'p=quarantine' })
  assert.deepEqual(await of('unknown.test'), { result: 'none', policy: 'none', from: 'unknown.test', comment: undefined })
})

test('DKIM in all forms, in pieces of any size; broken where one octet differs', async () => {
  for (const canonicalization of ['relaxed/relaxed', 'simple/simple', 'relaxed/simple', 'simple/relaxed'])
    for (const body of ['', 'x', 'a \t b \r\n\r\n\r\n', `${'\r\n'.repeat(3_000)}x`, `${'long '.repeat(50_000)}`]) {
      const message = await signed(`From: ann@a.test\r\nSubject: s\r\n\r\n${body}`, { canonicalization })
      for (const step of body.length > 1_000 ? [1_000, 1_000_000] : [1, 3, 1_000])
        assert.deepEqual(brief(await findings(message, { step })), ['none', 'pass', 'pass', 'reject'], `${canonicalization} ${body.length} ${step}`)
    }
  const message = await signed()
  assert.deepEqual(brief(await findings(message.replace('body', 'Body'))), ['none', 'fail', 'fail', 'reject'])
  assert.deepEqual(brief(await findings(message.replace('Subject: hi', 'Subject: ha'))), ['none', 'fail', 'fail', 'reject'])
})

test('short keys, l= that leaves something out, signatures of others', async () => {
  assert.deepEqual(brief(await findings(await signed(MESSAGE, { key: short, selector: 'short' }))), ['none', 'policy', 'fail', 'reject'])
  const partly = await findings(await signed(MESSAGE, { maxBodyLength: 4 }))
  assert.deepEqual([...brief(partly), partly.dkim[0]?.comment], ['none', 'policy', 'fail', 'reject', 'l= leaves 4 octets unsigned'])
  assert.deepEqual(brief(await findings(await signed(MESSAGE, { maxBodyLength: 8 }))), ['none', 'pass', 'pass', 'reject'])
  assert.deepEqual(brief(await findings(await signed(MESSAGE, { domain: 'list.test' }))), ['none', 'pass', 'fail', 'reject'])
})

test('five signatures are looked at, the others counted', async () => {
  const message = await signed()
  const one = message.slice(0, message.indexOf('From:'))
  const found = await findings(`${one.repeat(7)}${MESSAGE}`)
  assert.deepEqual([found.dkim.length, found.ignored, found.dmarc.result], [5, 2, 'pass'])
  const dns = dnsOf(ZONES)
  const started = performance.now()
  const many = `${'DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=k; h=from; bh=; b=AAAA\r\n'.repeat(999)}From: ann@a.test\r\n\r\nx`
  const bomb = await findings(many, { dns })
  assert.deepEqual([bomb.dkim.length, bomb.ignored], [5, 994])
  assert.ok(dns.asked.length < 10 && performance.now() - started < 1_000)
})

test('who wrote it has to be one domain, the same for all readers', async () => {
  const of = async (from: string) => {
    const { dmarc } = await findings(`${from}\r\n\r\nx`, { ip: '192.0.2.1', from: 'ann@a.test' })
    return dmarc.result === 'permerror' ? dmarc.comment : `${dmarc.result} ${dmarc.from}`
  }
  const cases: [string, string][] = [
    ['From: ann@a.test', 'pass a.test'],
    ['FROM:\r\n "Ann, of (A)"\r\n\t<ann@A.Test>', 'pass a.test'],
    ['From: Us: ann@a.test, bob@a.test;', 'pass a.test'],
    ['From: ann@a.test, bob@a.test', 'pass a.test'],
    ['Subject: x', 'no From field'],
    ['From: ann@a.test\r\nfrom : eve@a.test', 'several From fields'],
    ['From: Us:;', 'no address in From'],
    ['From: ann@a.test, eve@evil.test', 'From has addresses of several domains'],
    ['From: Us: eve@evil.test;, ann@a.test', 'From has addresses of several domains'],
    ['From: Foo, Ann <ann@a.test>', 'pass a.test'],
    ['From: "eve@evil.test", ann@a.test', 'an address without a domain in From'],
    ['From: ann@B\xc3\xbccher.test', 'none xn--bcher-kva.test'],
    ['From: ann', 'an address without a domain in From'],
    ['From: <@a.test>, ann@a.test', 'pass a.test'],
    ['From: <@a.test:eve@evil.test>, ann@a.test', 'From has addresses of several domains'],
    ['From: "ann@a.test" <eve@n.test>', 'fail n.test'],
    ['From: ann@a.test <eve@n.test>', 'fail n.test'],
    ['From: =?utf-8?q?=22ann@a.test=22?= <eve@n.test>', 'fail n.test'],
    ['From: ann@a.test\0@n.test', 'an address without a domain in From'],
    ['From: (ann@a.test) eve@n.test', 'fail n.test'],
    ['From: ann@[192.0.2.1]', 'none [192.0.2.1]'],
    [`From: ${'x'.repeat(5_000)} <ann@a.test>`, 'From is too long'],
    [`From: ${'a@a.test,'.repeat(400)}a@a.test`, 'too many addresses in From'],
  ]
  for (const [from, result] of cases) {
    assert.equal(await of(from), result, from.slice(0, 80))
  }
})

test('trouble of the DNS is temperror, wherever it is', async () => {
  const from = 'ann@a.test'
  assert.deepEqual(brief(await findings(MESSAGE, { from, zones: { 'a.test': 'trouble' } })), ['temperror', '', 'temperror', 'reject'])
  assert.deepEqual(brief(await findings(await signed(), { zones: { 'k._domainkey.a.test': 'trouble' } })), [
    'none',
    'temperror',
    'temperror',
    'reject',
  ])
  assert.deepEqual(brief(await findings(MESSAGE, { zones: { '_dmarc.a.test': 'trouble' } })), ['none', '', 'temperror', 'none'])
  // Somebody else's trouble is no excuse.
  assert.deepEqual(brief(await findings(MESSAGE, { zones: { 'other.test': 'trouble' } })), ['temperror', '', 'fail', 'reject'])
  const byOther = await signed(MESSAGE, { domain: 'list.test' })
  assert.deepEqual(brief(await findings(byOther, { zones: { 'k._domainkey.list.test': 'trouble' } })), ['none', 'temperror', 'fail', 'reject'])
})

test('when the time is over, what is still open is temperror', async () => {
  const over = new AbortController()
  const asked = findings(await signed(), {
    over: over.signal,
    from: 'ann@a.test',
    zones: { 'a.test': 'silence', 'k._domainkey.a.test': 'silence', '_dmarc.a.test': 'silence' },
  })
  setTimeout(() => over.abort(), 50)
  assert.deepEqual(brief(await asked), ['temperror', 'temperror', 'temperror', 'none'])
})

test('SPF ends: loops, fans, void lookups', async () => {
  const bounded = async (zones: Zones) => {
    const dns = dnsOf({ ...ZONES, ...zones })
    const { spf } = await findings(MESSAGE, { dns, from: 'x@loop.test' })
    return [spf.result, dns.asked.filter((line) => line.includes('loop.test')).length <= 12]
  }
  assert.deepEqual(await bounded({ 'loop.test': ['v=spf1 include:loop.test -all'] }), ['permerror', true])
  assert.deepEqual(await bounded({ 'loop.test': ['v=spf1 redirect=b.loop.test'], 'b.loop.test': ['v=spf1 redirect=loop.test'] }), ['permerror', true])
  const fan = Array.from({ length: 60 }, (_, i) => `include:i${i}.loop.test`).join(' ')
  const leaves = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`i${i}.loop.test`, ['v=spf1 ip4:198.51.100.1 -all']]))
  assert.deepEqual(await bounded({ ...leaves, 'loop.test': [`v=spf1 ${fan} -all`] }), ['permerror', true])
  const voids = Array.from({ length: 9 }, (_, i) => `a:v${i}.loop.test`).join(' ')
  assert.deepEqual(await bounded({ 'loop.test': [`v=spf1 ${voids} -all`] }), ['permerror', true])
})

/** As a list would send it on: the subject changed, and sealed. */
async function throughList(aar = 'mx.list.test; dmarc=pass header.from=a.test', { domain = 'list.test' } = {}): Promise<string> {
  const changed = (await signed()).replace('Subject: hi', 'Subject: [list] hi')
  const seal = { signingDomain: domain, selector: 'k', privateKey: pem(good), cv: 'none', authResults: aar }
  const headers = await sealMessage(Buffer.from(changed, 'latin1'), seal as never)
  return headers.toString('latin1') + changed
}

test('an ARC chain: who sealed it, what he says, and whether it holds', async () => {
  const message = await throughList()
  const { arc, dmarc } = await findings(message)
  assert.deepEqual([arc.result, arc.sets, dmarc.result], ['pass', [{ sealer: 'list.test', dmarc: { result: 'pass', from: 'a.test' } }], 'fail'])
  assert.equal((await findings(message.replace('body', 'Body'))).arc.result, 'fail')
  assert.equal((await findings(message.replace('dmarc=pass', 'dmarc=none'))).arc.result, 'fail')
  assert.equal((await findings(message, { zones: { 'k._domainkey.list.test': 'trouble' } })).arc.result, 'temperror')
  const long = Array.from({ length: 151 }, (_, i) => `ARC-Seal: i=${i + 1}; cv=pass; a=rsa-sha256; d=list.test; s=k; b=AAAA\r\n`).join('')
  assert.deepEqual((await findings(long + MESSAGE)).arc, { result: 'fail', comment: 'too long to be looked at', sets: [] })
})

test('headers made to cost: all of it in bounded time', async () => {
  const bombs = ['a=b;', '(', '"', ' ', '=20', ':', ',', '<', 'from:', '\\', 'a.b.c=d '].flatMap((piece) =>
    [
      'DKIM-Signature: ',
      'DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=k; bh=; b=AAAA; h=from:',
      'From: ',
      'ARC-Authentication-Results: i=1; ',
      'Content-Type: multipart/x; ',
      'ARC-Seal: i=1;',
    ].map((name) => `${`${name}${piece.repeat(Math.floor(15_000 / piece.length))}\r\n`.repeat(name === 'From: ' ? 1 : 15)}From: ann@a.test\r\n\r\nx`),
  )
  for (const bomb of bombs) {
    const started = performance.now()
    await findings(bomb)
    assert.ok(performance.now() - started < 2_000, bomb.slice(0, 50))
  }
})

test('records made to cost: all of it in bounded time', async () => {
  const message = await signed()
  const octets = 60_000
  for (const piece of [
    'a ',
    'ip4:1 ',
    '%{l}',
    '%{l1r+-}',
    ' ',
    ';',
    'p=',
    '=',
    '"',
    '(',
    '\\',
    'mx:%{ir}.%{d} ',
    'exists:%{l}%{o}%{d}.a.test ',
    'include:a.test ',
  ]) {
    const junk = piece.repeat(octets / piece.length)
    const zones = {
      'a.test': [`v=spf1 ${junk}`],
      '_dmarc.a.test': [`v=DMARC1; p=reject; ${junk}`],
      'k._domainkey.a.test': [`v=DKIM1; ${junk}`],
    }
    const started = performance.now()
    await findings(message, { zones, from: `${'x'.repeat(60)}@a.test` })
    assert.ok(performance.now() - started < 2_000, `${piece}: ${performance.now() - started} ms`)
  }
})

test('white space without end, in a signature, a set, a first line or the DNS, takes no time', async () => {
  const blanks = (n: number): string => ' '.repeat(n)
  const signature = (b: string): string => `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; s=k; h=from; bh=x; b=${b}\r\n`
  const set = `ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.test; s=k; b=a${blanks(15_000)}x\r\n`
  const within = async (what: string, message: string, asked?: Asked): Promise<Findings> => {
    const began = performance.now()
    const found = await findings(message, asked)
    assert.ok(performance.now() - began < 800, `${what}: ${Math.round(performance.now() - began)} ms`)
    return found
  }
  await findings(MESSAGE)
  const good = await signed()
  for (const run of [blanks(15_000), '\r\n\t'.repeat(190), '\t '.repeat(7_000)]) {
    const found = await within('signature', signature(`a${run}x`).repeat(5) + good)
    assert.deepEqual([found.dkim.map(({ result }) => result), found.ignored], [['pass'], 5])
  }
  assert.equal((await within('set', set.repeat(10) + good)).arc.result, 'fail')
  for (const first of [`x${blanks(62_000)}y: z\r\n`, `x${blanks(62_000)}y\r\n`, `${blanks(62_000)}\r\n${blanks(30_000)}y\r\n`]) {
    const found = await within('first line', first + good)
    assert.deepEqual([found.dkim.map(({ result }) => result), found.dmarc.result], [['pass'], 'pass'])
  }
  const key = ZONES['k._domainkey.a.test']![0]!.replace('; p=', `; p=${blanks(6_000)}`)
  const spaced = await within('key', good, { zones: { 'k._domainkey.a.test': [key] } })
  assert.equal(spaced.dkim[0]!.result, 'pass')
  const macro = `v=spf1 exists:%{l${'1'.repeat(30_000)}r${'.'.repeat(30_000)}} -all`
  const include = `v=spf1 ${Array.from({ length: 9 }, (_, i) => `include:i${i}.test`).join(' ')} -all`
  const zones = { 'other.test': [include], ...Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`i${i}.test`, [macro]])) }
  assert.equal((await within('SPF', MESSAGE, { zones })).spf.result, 'permerror')
})
