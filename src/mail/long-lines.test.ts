import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../test/support/random.ts'
import { parseAddressList } from './address-list.ts'
import { firstField } from './header.ts'
import { foldedBlock, MAX_LINE, shortLines } from './long-lines.ts'
import { unpackParts } from './parts.ts'
import { parseStructure } from './structure.ts'
import { transferDecoder } from './transfer.ts'
import { Base64Wrapper, QuotedPrintableWrapper, type TransferEncoder } from './transfer-encoder.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const longest = (text: string): number => Math.max(...text.split('\r\n').map((line) => line.length))

/** undefined: nothing is to be changed. */
async function shorten(text: string, step = 1 << 20, from = 0): Promise<string | undefined> {
  const message = bytes(text)
  const read = async function* (first: number, end: number) {
    for (let at = first; at < end; at += step) yield message.subarray(at, Math.min(end, at + step))
  }
  const short = await shortLines(unpackParts(parseStructure(message).parts), { from, to: message.length }, read)
  if (!short) return undefined
  let out = short.head.toString('latin1')
  for await (const piece of short.body()) out += piece.toString('latin1')
  return out
}

/** What each leaf says, decoded. */
function leaves(text: string): string[] {
  const message = bytes(text)
  return unpackParts(parseStructure(message).parts)
    .filter(({ kind }) => kind === 'leaf')
    .map(({ bodyFrom, bodyTo, encoding }) => {
      const decoder = transferDecoder(encoding)
      return Buffer.concat([decoder.write(message.subarray(bodyFrom, bodyTo)), decoder.end()]).toString('latin1')
    })
}

const LONG = 'word '.repeat(250)

test('998 octets are no reason, 999 are', async () => {
  const of = (n: number): string => `Subject: a\r\n\r\n${'x'.repeat(n)}\r\nshort\r\n`
  for (const step of [1, 7, 999, 1000, 1 << 20]) {
    assert.equal(await shorten(of(998), step), undefined)
    assert.equal(longest((await shorten(of(999), step))!), 76)
  }
  assert.match((await shorten(of(999)))!, /^Subject: a\r\nMIME-Version: 1\.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nxxx/)
  // Our own lines are left out.
  assert.match((await shorten(`Received: x\r\n${of(999)}`, 3, 13))!, /^Subject: a\r\nMIME-Version/)
  assert.match((await shorten(`Subject: a\r\n\r\n\xe4${LONG}`))!, /charset=unknown-8bit\r\n/)
})

test('text becomes quoted-printable, other things base64, and what is encoded gets more line ends', async () => {
  const before = [
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n',
    `--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>\xc3\xa9 ${LONG}</p>\r\n`,
    `--b\r\nContent-Type: application/json\r\n\r\n{"a":"${LONG}"}\r\n`,
    `--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(LONG).toString('base64')}\r\n`,
    `--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9${'=3D'.repeat(400)}\r\n`,
    `--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9 short\r\n`,
    `--b\r\nContent-Type: message/rfc822\r\nX-Long: ${LONG}\r\n\r\nSubject: ${LONG}\r\n\r\n${LONG}\r\n--b--\r\n`,
  ].join('')
  const after = (await shorten(before))!
  assert.deepEqual(leaves(after), leaves(before))
  assert.ok(longest(after) <= 78)
  assert.match(after, /text\/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>=C3=A9 word/)
  assert.match(after, /application\/json\r\nContent-Transfer-Encoding: base64\r\n\r\n/)
  assert.match(after, /image\/png\r\nContent-Transfer-Encoding: base64\r\n\r\n/)
  assert.match(after, /Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9 short\r\n/)
  for (const step of [1, 2, 5, 13]) assert.equal(await shorten(before, step), after)
  assert.equal(await shorten(after), undefined)
})

test('what is signed, encrypted, or may not be encoded, stays as it is, whatever is around it', async () => {
  const part = (type: string, body: string): string => `--o\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`
  const of = (boundary: string, more: string): string =>
    `--${boundary}\r\nX-Long: ${LONG}\r\n\r\n${LONG}\r\n--${boundary}\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n${LONG}\r\n--${boundary}\r\n${more}\r\n--${boundary}--`
  const signed = part('multipart/signed; micalg=pgp-sha256; boundary=s', of('s', `Content-Type: application/pgp-signature\r\n\r\n${LONG}`))
  const encrypted = part('multipart/encrypted; boundary=e', of('e', `Content-Type: application/octet-stream\r\n\r\n${LONG}`))
  const report = part('message/delivery-status', `X: ${LONG}`) + part('message/partial; id=a', LONG)
  const uu = `--o\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n${LONG}\r\n`
  const head = 'Content-Type: multipart/mixed; boundary=o\r\n\r\n'
  assert.equal(await shorten(`${head}${signed}${encrypted}${report}${uu}--o--\r\n`), undefined)
  const after = (await shorten(`${head}${signed}${part('text/plain', LONG)}${encrypted}${report}${uu}--o--\r\n`))!
  for (const kept of [signed, encrypted, report, uu]) assert.ok(after.includes(kept))
  assert.match(after, /--o\r\nContent-Type: text\/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nword word/)
  // A message that is signed as a whole: its own header may be folded, no more.
  const whole = `Subject: ${LONG}\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n${of('s', LONG)}\r\n`
  const folded = (await shorten(whole))!
  assert.equal(folded.slice(folded.indexOf('\r\n\r\n')), whole.slice(whole.indexOf('\r\n\r\n')))
  assert.ok(longest(folded.slice(0, folded.indexOf('\r\n\r\n'))) <= 78)
  // CMS in one piece is octets like any others.
  const cms = `Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.alloc(3_000, 7).toString('base64')}\r\n`
  assert.deepEqual(leaves((await shorten(cms))!), leaves(cms))
})

test('a delimiter, a lone dot and From within a long line do not come to stand at the beginning of one', async () => {
  for (const word of ['--b', '--b--', '.', 'From '])
    for (let before = 60; before < 90; before++) {
      const text = `${'x'.repeat(before)}${word}${' '.repeat(word === '.' ? 0 : 1)}`.repeat(40)
      for (const encoding of ['7bit', 'quoted-printable']) {
        const message = `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${text}x\r\n--b--\r\n`
        const after = (await shorten(message))!
        assert.deepEqual(leaves(after), [`${text}x`])
        assert.equal(after.match(/^(?:--|From |\.)/gm)!.length, 2)
      }
    }
})

function diff(a: string, b: string): string {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return JSON.stringify([at, a.slice(at - 10, at + 20), b.slice(at - 10, at + 20)])
}

test('random messages say the same afterwards, in short lines, however they are read', async () => {
  const random = seeded(11)
  const any = <T>(of: readonly T[]): T => of[random(of.length)]!
  const piece = (): string =>
    any(['a', ' ', '\t', '=', '.', '\r\n', '\xe4', 'word ', '--b1', 'x'.repeat(400), 'From ', 'y z '.repeat(100), '-'.repeat(80)])
  const entity = (depth: number): string => {
    const sort = random(depth > 3 ? 4 : 6)
    if (sort === 4) {
      const boundary = `b${depth}${random(1_000)}`
      const parts = Array.from({ length: 1 + random(3) }, () => `--${boundary}\r\n${entity(depth + 1)}\r\n`).join('')
      return `Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\n${parts}--${boundary}--`
    }
    if (sort === 5) return `Content-Type: message/rfc822\r\n\r\nSubject: x\r\n${entity(depth + 1)}`
    const body = Array.from({ length: random(40) }, piece).join('')
    const type = any(['', 'Content-Type: text/plain\r\n', 'Content-Type: application/x\r\n'])
    if (sort === 3)
      return `${type}Content-Transfer-Encoding: base64\r\n\r\n${bytes(body)
        .toString('base64')
        .replace(/.{1,2000}/g, '$&\r\n')}`
    if (sort === 2)
      return `${type}Content-Transfer-Encoding: quoted-printable\r\n\r\n${body.replace(/[=\xe4]/g, (c) => `=${c.charCodeAt(0).toString(16).toUpperCase()}`).replace(/x{400}/, '$&=\r\n')}`
    return `${type}\r\n${body}`
  }
  let changed = 0
  for (let round = 0; round < 200; round++) {
    const before = `Subject: ${round}\r\n${entity(0)}\r\n`
    const after = await shorten(before)
    if (after === undefined) {
      assert.ok(longest(before) <= MAX_LINE)
      continue
    }
    changed++
    assert.ok(longest(after) <= MAX_LINE)
    const said = leaves(before)
    for (const [i, leaf] of leaves(after).entries()) assert.ok(leaf === said[i], `round ${round}: ${diff(leaf, said[i]!)}`)
    assert.equal(await shorten(before, 1 + random(9)), after)
    assert.equal(await shorten(after), undefined)
  }
  assert.ok(changed > 50)
})

test('encoded text gets line ends, and is the same octets, however it is cut', () => {
  const text = Array.from({ length: 400 }, (_, i) => (i % 7 === 0 ? '=C3=A9' : i % 31 === 0 ? '=\r\n' : i % 53 === 0 ? ' \r\n' : 'ab-.F')).join('')
  const octets = Buffer.alloc(5_000, 'some octets')
  const through = (encoder: TransferEncoder, all: Buffer, cut: number): string =>
    Buffer.concat([encoder.write(all.subarray(0, cut)), encoder.write(all.subarray(cut)), encoder.end()]).toString('latin1')
  const decoded = (encoding: 'base64' | 'quoted-printable', all: string): Buffer => {
    const decoder = transferDecoder(encoding)
    return Buffer.concat([decoder.write(bytes(all)), decoder.end()])
  }
  const qp = through(new QuotedPrintableWrapper(), bytes(text), 0)
  assert.deepEqual(decoded('quoted-printable', qp), decoded('quoted-printable', text))
  assert.ok(longest(qp) <= 76)
  for (let cut = 0; cut <= text.length; cut++) assert.equal(through(new QuotedPrintableWrapper(), bytes(text), cut), qp)
  const encoded = bytes(`${octets.toString('base64').replace(/.{1,1500}/g, '$&\r\n')}`)
  const lines = through(new Base64Wrapper(), encoded, 0)
  assert.deepEqual(decoded('base64', lines), octets)
  assert.ok(longest(lines) === 76 && lines.endsWith('\r\n'))
  for (let cut = 0; cut <= encoded.length; cut++) assert.equal(through(new Base64Wrapper(), encoded, cut), lines)
})

const folded = (text: string): string => foldedBlock(bytes(text)).toString('latin1')

test('long header lines are folded where white space is, and unfold to what they were', () => {
  const block = bytes(`Subject: short\r\nX: ${'y'.repeat(980)} z\r\n\r\n`)
  assert.equal(foldedBlock(block), block)
  for (const value of [LONG.trim(), `a${' \t '.repeat(30)}b ${LONG}`.trim(), `"quoted, ${LONG}", end`, `${'x'.repeat(500)} ${'y'.repeat(600)}`]) {
    const after = folded(`Subject: ${value}\r\nTo: a@b.test\r\n\r\n`)
    assert.equal(after.replaceAll(/\r\n(?=[ \t])/g, ''), `Subject: ${value}\r\nTo: a@b.test\r\n\r\n`)
    assert.ok(longest(after) <= MAX_LINE)
    assert.doesNotMatch(after, /^[ \t]*\r\n(?!$)/m)
  }
  // No place, or none but before its first or behind its last word.
  for (const value of ['x'.repeat(2_000), `${' '.repeat(1_200)}x`, `x${' '.repeat(1_200)}`])
    assert.equal(folded(`Subject: ${value}\r\n\r\n`), `Subject: ${value}\r\n\r\n`)
  // Of a field in several lines the long one alone.
  const after = folded(`Subject: one\r\n ${LONG}end\r\n\tthree\r\n\r\n`)
  assert.match(after, /^Subject: one\r\n word word [\s\S]* end\r\n\tthree\r\n\r\n$/)
  assert.ok(longest(after) <= 78)
})

test('lists without white space are folded behind commas, and between message ids', () => {
  const list = Array.from({ length: 100 }, (_, i) => (i % 9 === 0 ? `"a, \\"b\\",${'c,'.repeat(40)}" <q${i}@b.test>` : `name${i}@example.test`)).join(
    ',',
  )
  const after = folded(`To: ${list}\r\n\r\n`)
  assert.ok(longest(after) <= 200)
  assert.deepEqual(parseAddressList(firstField(bytes(after), 'to')!), parseAddressList(list))
  const ids = Array.from({ length: 100 }, (_, i) => `<${i}@example.test>`).join('')
  const references = folded(`References: ${ids}\r\n\r\n`)
  assert.ok(longest(references) <= 78)
  assert.equal(references.replaceAll('\r\n ', ''), `References: ${ids}\r\n\r\n`)
  // Elsewhere a comma is a comma.
  const other = `X-Data: ${'a,'.repeat(800)}\r\n\r\n`
  assert.equal(folded(other), other)
})

test('a header made to cost, in bounded time', () => {
  for (const piece of [' ', 'a ', ',', 'a,', '"', '\\', '><', '"\\" ', '\t,']) {
    const started = performance.now()
    folded(`To: ${piece.repeat(60_000 / piece.length)}\r\nReferences: ${piece.repeat(60_000 / piece.length)}\r\n\r\n`)
    assert.ok(performance.now() - started < 500, piece)
  }
})
