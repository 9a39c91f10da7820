/** What goes to servers without 8BITMIME, as mailauth finds it. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { silentLog } from '../../log.ts'
import { packParts } from '../../mail/parts.ts'
import { parseStructure } from '../../mail/structure.ts'
import { NoSuchName } from '../../net/dns/dns.ts'
import { blockEnd } from '../header.ts'
import { startVerifying } from '../inbound/verify.ts'
import { sealBy } from '../sealing.ts'
import { bodyHash, type DkimKey, signing } from '../signing.ts'
import { textOf } from './text.ts'

function key(domain: string, selector: string, type: 'rsa' | 'ed25519' = 'rsa'): DkimKey & { readonly record: string } {
  const pair = type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519')
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' })
  return {
    ...{ domain, selector, privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    record: `v=DKIM1; k=${type}; p=${(type === 'rsa' ? spki : spki.subarray(-32)).toString('base64')}`,
  }
}
const [R1, E1, R2, THEIRS] = [key('us.test', 'r1'), key('us.test', 'e1', 'ed25519'), key('us.test', 'r2'), key('them.test', 't')] as const
const keys = [R1, E1, R2, THEIRS]
const records = new Map(keys.map(({ selector, domain, record }) => [`${selector}._domainkey.${domain}`, record]))

async function dkim(message: string): Promise<string[]> {
  const resolver = async (name: string) =>
    records.has(name) ? [[records.get(name)!]] : Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' }))
  const { results } = await dkimVerify(Buffer.from(message, 'latin1'), { resolver: resolver as never })
  return results.map(({ selector, status }: { selector?: string | false; status: { result: string } }) => `${selector} ${status.result}`).sort()
}

async function arc(message: string): Promise<string> {
  const ask = async (name: string) => {
    const record = records.get(name)
    if (record === undefined) throw new NoSuchName(name)
    return { records: [record] as never, secure: false, name }
  }
  const octets = Buffer.from(message, 'latin1')
  const block = octets.subarray(0, blockEnd(octets))
  const verification = await startVerifying(block, {
    envelope: { ip: '192.0.2.9', helo: 'h.test', from: 'x@x.test' },
    ...{ dns: { validates: false, ask } as never, hostname: 'mx.test', over: new AbortController().signal, hashes: true },
  })
  verification.body(octets.subarray(block.length))
  return (await verification.finish()).arc.result
}

/** What stands on top of a message of these keys. */
function signatureOf(message: string, by: readonly DkimKey[]): string {
  const octets = Buffer.from(message, 'latin1')
  const signer = signing(by, { block: octets.subarray(0, blockEnd(octets)), added: '' }, silentLog())
  signer.write(octets)
  return signer.finish()
}

function sealOf(message: string, by: DkimKey, result: string): string {
  const octets = Buffer.from(message, 'latin1')
  const block = octets.subarray(0, blockEnd(octets))
  const hash = bodyHash()
  hash.write(octets.subarray(block.length))
  const results = `mx.${by.domain};\r\n\tspf=pass smtp.mailfrom=a.test;\r\n\tarc=${result}`
  return sealBy(by, { block, bodyHash: hash.digest(), arc: result, results })!
}

const OURS_ALONE = 'Return-Path: <ann@us.test>\r\n'
const RECEIVED = 'Received: from x by mail.us.test; Sun, 29 Nov 2026 12:00:00 +0000\r\n'

async function sent(prefix: string, text: string, now: readonly DkimKey[], { eightBit = false, step = 1 << 16 } = {}): Promise<string> {
  const content = Buffer.from(OURS_ALONE + text, 'latin1')
  const store = {
    async *read(_by: unknown, _id: unknown, from: number, to: number) {
      for (let at = from; at < to; at += step) yield content.subarray(at, Math.min(to, at + step))
    },
    async *contents() {
      yield { parts: parseStructure(content).parts }
    },
  }
  const message = {
    ...{ prefix: Buffer.from(prefix, 'latin1'), skip: OURS_ALONE.length, size: prefix.length + content.length - OURS_ALONE.length },
    ...{ access: {}, id: 1n, reversePath: '', eightBit: true, utf8: false, requireTls: false, queued: 0, age: 0 },
  }
  const keysFor = async (domain: string) => now.filter((one) => one.domain === domain)
  const written = await textOf(message as never, eightBit, { store: store as never, keysFor, log: silentLog() })
  let out = ''
  for await (const piece of written.octets()) out += piece.toString('latin1')
  assert.equal(out.length, written.size)
  return out
}

const MESSAGE = [
  'From: Ann <ann@us.test>',
  'Subject: hi',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  'Content-Transfer-Encoding: 8bit',
  '',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit',
  '',
  '.na\xc3\xafve \t ',
  '',
  '--b',
  'Content-Type: image/png',
  'Content-Transfer-Encoding: binary',
  '',
  '\x89PNG',
  '--b--',
  '',
].join('\r\n')
const seven = (text: string): void => assert.doesNotMatch(text, /[\x80-\xff]/)

test('our signatures hold for what goes, octet by octet, with the keys of now', async () => {
  const text = signatureOf(MESSAGE, [R1, E1]) + RECEIVED + MESSAGE
  for (const step of [1, 2, 3, 1 << 16]) {
    const after = await sent('', text, [R1, E1], { step })
    seven(after)
    assert.deepEqual(await dkim(after), ['e1 pass', 'r1 pass'])
    assert.ok(after.includes(`${RECEIVED}From: Ann`))
  }
  assert.deepEqual(await dkim(await sent('', text, [R2])), ['r2 pass'])
  // It would be broken.
  const without = await sent('', text, [])
  assert.ok(without.startsWith(RECEIVED))
  assert.deepEqual(await dkim(await sent('', text, [R2], { eightBit: true })), ['e1 pass', 'r1 pass'])
})

test('what is 7-bit keeps its signature, whatever it says of itself', async () => {
  const plain = MESSAGE.replaceAll(/[\x80-\xff]/g, 'x')
  const text = signatureOf(plain, [R1]) + RECEIVED + plain
  assert.equal(await sent('', text, [R2]), text)
})

test('the signature in what goes before, and none of others', async () => {
  const theirs = signatureOf(MESSAGE, [THEIRS]) + MESSAGE
  const after = await sent(signatureOf(theirs, [R1]), RECEIVED + theirs, [R1, THEIRS])
  assert.deepEqual(await dkim(after), ['r1 pass', 't neutral'])
})

test('a seal of ours is made anew, over the seals of others, or is left out', async () => {
  const theirs = signatureOf(MESSAGE, [THEIRS]) + MESSAGE
  for (const [chain, result] of [
    ['', 'none'],
    [sealOf(theirs, THEIRS, 'none'), 'pass'],
  ] as const) {
    const text = RECEIVED + chain + theirs
    const prefix = `${sealOf(text, R1, result)}Delivered-To: list@us.test\r\n`
    assert.equal(await arc(prefix + text), 'pass')
    const after = await sent(prefix, text, [R2, E1])
    seven(after)
    assert.equal(await arc(after), 'pass')
    assert.match(after, new RegExp(`^ARC-Seal: i=${chain === '' ? 1 : 2}; cv=${result}; a=rsa-sha256; d=us\\.test; s=r2;`))
    assert.match(after, /\r\nARC-Authentication-Results: i=\d; mx\.us\.test;\r\n\tspf=pass smtp\.mailfrom=a\.test;\r\n\tarc=/)
    assert.equal(after.match(/^ARC-Seal:/gm)!.length, chain === '' ? 1 : 2)
    const without = await sent(prefix, text, [E1])
    assert.ok(without.startsWith(`Delivered-To: list@us.test\r\n${RECEIVED}`))
    assert.equal(without.match(/^ARC-/gm)?.length ?? 0, chain === '' ? 0 : 3)
  }
})

test('24 MB of 8-bit text are signed and sent in little memory', async () => {
  const head = Buffer.from(`${signatureOf(MESSAGE, [R1])}${RECEIVED}From: <ann@us.test>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n`)
  const line = Buffer.from(`${'naïve text '.repeat(6)}\r\n`)
  const block = Buffer.concat(Array.from({ length: 3_000 }, () => line))
  const size = head.length + block.length * 100
  const store = {
    async *read(_by: unknown, _id: unknown, from: number, to: number) {
      for (let at = from; at < to; ) {
        const inHead = at < head.length
        const offset = inHead ? at : (at - head.length) % block.length
        const piece = (inHead ? head : block).subarray(offset, offset + to - at)
        yield piece
        at += piece.length
      }
    },
    async *contents() {
      yield { parts: packParts([{ parent: -1, kind: 'leaf', media: 'text', encoding: '8bit', headerFrom: 0, bodyFrom: head.length, bodyTo: size }]) }
    },
  }
  const message = { prefix: Buffer.alloc(0), skip: 0, size, access: {}, id: 1n }
  const before = process.memoryUsage().rss
  const written = await textOf(message as never, false, { store: store as never, keysFor: async () => [R1], log: silentLog() })
  let [sum, peak] = [0, 0]
  for await (const piece of written.octets()) {
    sum += piece.length
    peak = Math.max(peak, process.memoryUsage().rss)
  }
  assert.equal(sum, written.size)
  assert.ok(sum > size && size > 22e6)
  assert.ok(peak - before < 100e6, `${Math.round((peak - before) / 1e6)} MB more`)
})
