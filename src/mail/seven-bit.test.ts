import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../test/support/random.ts'
import { unpackParts } from './parts.ts'
import { sevenBit } from './seven-bit.ts'
import { parseStructure } from './structure.ts'
import { transferDecoder } from './transfer.ts'
import { Base64Encoder, QuotedPrintableEncoder } from './transfer-encoder.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

async function convert(text: string, step = 1 << 20, from = 0): Promise<string> {
  const message = bytes(text)
  const read = async function* (first: number, end: number) {
    for (let at = first; at < end; at += step) yield message.subarray(at, Math.min(end, at + step))
  }
  const converted = await sevenBit(unpackParts(parseStructure(message).parts), { from, to: message.length }, read)
  if (!converted) return text.slice(from)
  let out = converted.head.toString('latin1')
  for await (const piece of converted.body()) out += piece.toString('latin1')
  return out
}

/** What each leaf says, decoded; of text with its line ends as one sort. */
function leaves(text: string): string[] {
  const message = bytes(text)
  return unpackParts(parseStructure(message).parts)
    .filter(({ kind }) => kind === 'leaf')
    .map(({ bodyFrom, bodyTo, encoding, media }) => {
      const decoder = transferDecoder(encoding)
      const decoded = Buffer.concat([decoder.write(message.subarray(bodyFrom, bodyTo)), decoder.end()]).toString('latin1')
      return media === 'other' ? decoded : decoded.replace(/\r?\n/g, '\n')
    })
}

function check(before: string, after: string): void {
  assert.deepEqual(leaves(after), leaves(before))
  assert.doesNotMatch(after, /[\x80-\xff]/)
  // What is 7-bit may say what it likes: nothing of it changes.
  if (/[\x80-\xff]/.test(before)) assert.doesNotMatch(after, /^Content-Transfer-Encoding:\s*(?:8bit|binary)/im)
  else assert.equal(after, before)
}

test('what is 7-bit already goes as it is, to the octet', async () => {
  for (const text of [
    '',
    'Subject: a\r\n\r\nb\r\n',
    'Subject: a\r\n',
    'no header',
    'Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n',
    'Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: 7bit\r\n\r\ny\r\n--b--\r\nepilogue\r\n',
  ])
    for (const step of [1, 7, 1 << 20]) assert.equal(await convert(text, step), text)
})

test('one text, with and without a word of MIME', async () => {
  assert.equal(
    await convert(
      'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nSubject: a\r\n\r\nna\xc3\xafve = \r\n.\tx\t\r\n',
    ),
    'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nSubject: a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nna=C3=AFve =3D=20\r\n.\tx=09\r\n',
  )
  assert.equal(
    await convert('Subject: a\r\n\r\n\xe4\r\n'),
    'Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n',
  )
  // Lines that are for this server only are left out, and what is on top of the header stays.
  assert.match(await convert('Return-Path: <>\r\nSubject: a\r\n\r\n\xe4\r\n', 3, 17), /^Subject: a\r\nMIME-Version: 1\.0\r\n/)
})

test('only the parts that need it; what holds them says 7bit', async () => {
  const before = [
    'Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\npreamble',
    '--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>\xe4</p>',
    '--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x89PNG\0\r\r\n\xff',
    '--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n/////w==',
    '--b\r\n\r\nplain',
    '--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\n\r\n\xf6',
    '--b--\r\n',
  ].join('\r\n')
  const after = await convert(before)
  check(before, after)
  assert.match(after, /^Content-Type: multipart\/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\npreamble\r\n--b/)
  assert.match(after, /Content-Transfer-Encoding: base64\r\n\r\niVBORwANDQr\/\r\n--b/)
  assert.match(
    after,
    /message\/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: inner\r\nMIME-Version: 1\.0\r\nContent-Type: text\/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=F6\r\n--b--/,
  )
  for (const step of [1, 2, 5, 13]) assert.equal(await convert(before, step), after)
})

const SIGNED = (inner: string): string =>
  `Content-Type: multipart/mixed; boundary=o\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--o\r\n\r\n\xe4\r\n--o\r\nContent-Type: multipart/signed; boundary=s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${inner}\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n--o--\r\n`

test('what is signed as it stands stays so, or the message cannot be converted', async () => {
  const after = await convert(SIGNED('plain'))
  assert.match(after, /\r\n\r\n=E4\r\n--o\r\n/)
  assert.ok(after.includes('--s\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n--s\r\n'))
  await assert.rejects(convert(SIGNED('\xe4')), { status: '5.6.2' })
  await assert.rejects(convert(SIGNED('Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n\xe4\r\n--x--')), { status: '5.6.2' })
})

test('a multipart whose parts are not known is not taken for a file', async () => {
  const deep = Array.from({ length: 60 }, (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`).join('')
  await assert.rejects(convert(`${deep}\r\n\xe4\r\n`), { status: '5.6.3' })
})

test('random messages say the same afterwards, however they are read', async () => {
  const random = seeded(5)
  const any = <T>(of: readonly T[]): T => of[random(of.length)]!
  const body = (): string =>
    Array.from({ length: random(60) }, () => any(['a', ' ', '\t', '=', '.', '\r\n', '\xe4', '\xff', 'word ', '--', 'x'.repeat(40)])).join('')
  const entity = (depth: number): string => {
    const encoding = any([
      '',
      'Content-Transfer-Encoding: 8bit\r\n',
      'Content-Transfer-Encoding: binary\r\n',
      'Content-Transfer-Encoding:\r\n 8BIT\r\n',
    ])
    const sort = random(depth > 3 ? 3 : 5)
    if (sort === 3) {
      const boundary = `b${depth}${random(1_000)}`
      const parts = Array.from({ length: random(4) }, () => `--${boundary}\r\n${entity(depth + 1)}\r\n`).join('')
      return `${encoding}Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\n${parts}--${boundary}--`
    }
    if (sort === 4) return `Content-Type: message/rfc822\r\n${encoding}\r\nSubject: x\r\n${entity(depth + 1)}`
    return `${any(['', 'Content-Type: text/plain\r\n', 'Content-Type: application/x\r\n'])}${encoding}\r\n${body()}`
  }
  for (let round = 0; round < 300; round++) {
    const before = `Subject: ${round}\r\n${entity(0)}\r\n`
    const after = await convert(before)
    check(before, after)
    assert.equal(await convert(before, 1 + random(9)), after)
    // Again it changes nothing.
    assert.equal(await convert(after), after)
  }
})

test('lines of what is encoded are short, and nothing ends in white space', () => {
  const random = seeded(9)
  for (let round = 0; round < 200; round++) {
    const octets = Buffer.from(Array.from({ length: random(400) }, () => [9, 10, 13, 32, 61, 65, 200][random(7)]!))
    for (const encoder of [new Base64Encoder(), new QuotedPrintableEncoder()]) {
      let out = ''
      for (let at = 0; at < octets.length; ) {
        const size = 1 + random(70)
        out += encoder.write(octets.subarray(at, at + size)).toString('latin1')
        at += size
      }
      out += encoder.end().toString('latin1')
      for (const line of out.split('\r\n')) assert.match(line, /^[!-~ \t]{0,76}$/)
      assert.doesNotMatch(out, /[ \t](?:\r\n|$)/)
      if (encoder instanceof Base64Encoder) assert.deepEqual(Buffer.from(out, 'base64'), octets)
      else {
        const decoder = transferDecoder('quoted-printable')
        const decoded = Buffer.concat([decoder.write(bytes(out)), decoder.end()]).toString('latin1')
        assert.equal(decoded, octets.toString('latin1').replace(/\r?\n/g, '\r\n'))
      }
    }
  }
})
