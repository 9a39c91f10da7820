import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hardMails, pythonMails } from '../../test/support/corpus.ts'
import { unpackParts } from './parts.ts'
import { MAX_PREVIEW, MAX_PREVIEW_BYTES, previewOf } from './preview.ts'
import { parseStructure } from './structure.ts'

function preview(message: string | Buffer): string {
  const bytes = typeof message === 'string' ? Buffer.from(message.replaceAll('\n', '\r\n'), 'utf8') : message
  const { header, parts } = parseStructure(bytes)
  return previewOf({ header, body: bytes.subarray(header.length, header.length + MAX_PREVIEW_BYTES) }, unpackParts(parts))
}

const plain = (text: string, type = 'text/plain; charset=utf-8'): string => `Content-Type: ${type}\n\n${text}`
const html = (text: string): string => plain(text, 'text/html; charset=utf-8')
const multipart = (subtype: string, ...parts: string[]): string =>
  `Content-Type: multipart/${subtype}; boundary=x\n\n${parts.map((part) => `--x\n${part}\n`).join('')}--x--\n`

describe('plain text', () => {
  const CASES: readonly [string, string][] = [
    ['', ''],
    ['one\n\n two\t\tthree\n', 'one two three'],
    ['> what she wrote\n\nwhat I write', 'what I write'],
    ['> nothing\n> but quotations', '> nothing > but quotations'],
    ['Hi\n-- \nThe sender\n', 'Hi'],
    ['Title\n=====\n\n* * *\nText', 'Title Text'],
    ['-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----', ''],
    ['See below\n-----BEGIN PGP MESSAGE-----\n\nhQEMA', 'See below'],
    ['-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nsigned words\n-----BEGIN PGP SIGNATURE-----\n\niQ', 'signed words'],
    ['a\u0000b\u0007c\u001b[1m', 'abc[1m'],
    ['\u202eevil\u202c \u2066x\u2069', 'evil x'],
    ['x\u00ad\u200b\ufeffy', 'xy'],
    ['\u0645\u06cc\u200c\u062e\u0648', '\u0645\u06cc\u200c\u062e\u0648'],
    ['👩\u200d👧 family', '👩\u200d👧 family'],
    ['a\u200c \u200c \u200cb', 'a b'],
    ['<b>not HTML</b>', '<b>not HTML</b>'],
    ['.\r.\rbare CR', '. . bare CR'],
  ]
  for (const [text, wanted] of CASES) test(JSON.stringify(text), () => assert.equal(preview(plain(text)), wanted))

  test('without a header', () => assert.equal(preview('\njust a body\n'), 'just a body'))
  test('in its charset and encoding', () => {
    const mail = 'Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe aus K=\n=F6ln\n'
    assert.equal(preview(mail), 'Grüße aus Köln')
    const base64 = Buffer.from('日本語のメール').toString('base64')
    assert.equal(preview(`Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n${base64}\n`), '日本語のメール')
  })
})

describe('HTML', () => {
  const CASES: readonly [string, string][] = [
    ['<p>one</p><p>two &amp; three</p>', 'one two & three'],
    ['<html><head><title>A title</title><style>p { color: red }</style></head><body>Text</body></html>', 'Text'],
    ['<!-- hidden -->a<script>alert("<b>")</script>b', 'a b'],
    ['1 < 2 &lt;b&gt;', '1 < 2 <b>'],
    ['<p>open <a href="', 'open'],
    [`Offer${'&nbsp;&zwnj;&shy;&thinsp;'.repeat(60)}<p>after</p>`, 'Offer after'],
    [`Offer${'&nbsp;&#8204;'.repeat(100)}<p>after</p>`, 'Offer after'],
    [`<style>${'x'.repeat(30_000)}</style>late`, 'late'],
  ]
  for (const [text, wanted] of CASES) test(text.slice(0, 60), () => assert.equal(preview(html(text)), wanted))
})

describe('which part', () => {
  test('the first of an alternative that has words', () => {
    assert.equal(preview(multipart('alternative', plain('plain'), html('<p>html</p>'))), 'plain')
    assert.equal(preview(multipart('alternative', plain(' \n'), html('<p>html</p>'))), 'html')
  })
  test('no attachment, and no text that is none to be read', () => {
    const attached = `Content-Disposition: ATTACHMENT; filename=a.txt\n${plain('attached')}`
    assert.equal(preview(multipart('mixed', attached, plain('words'))), 'words')
    assert.equal(preview(multipart('mixed', attached)), '')
    assert.equal(preview(multipart('mixed', plain('BEGIN:VCALENDAR', 'text/calendar'), plain('words'))), 'words')
    assert.equal(preview(plain('a;b', 'text/csv')), '')
  })
  test('nothing of a message within the message', () => {
    assert.equal(preview(multipart('mixed', `Content-Type: message/rfc822\n\n${plain('inner')}`, plain('outer'))), 'outer')
    assert.equal(preview(`Content-Type: message/rfc822\n\n${plain('inner')}`), '')
  })
  test('nothing of what is encrypted', () => {
    const parts = ['Content-Type: application/pgp-encrypted\n\nVersion: 1', 'Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----']
    assert.equal(preview(multipart('encrypted; protocol="application/pgp-encrypted"', ...parts)), '')
    assert.equal(preview('Content-Type: application/pkcs7-mime; smime-type=enveloped-data\nContent-Transfer-Encoding: base64\n\nMIIB\n'), '')
  })
  test('nothing beyond the octets that are looked at', () => {
    const image = `Content-Type: image/png\n\n${'x'.repeat(MAX_PREVIEW_BYTES)}`
    assert.equal(preview(multipart('mixed', image, plain('late'))), '')
  })
})

describe('length', () => {
  const characters = (text: string): number => [...text].length
  test(`${MAX_PREVIEW} characters, of whatever plane`, () => {
    assert.equal(preview(plain('a'.repeat(5000))), 'a'.repeat(MAX_PREVIEW))
    assert.equal(preview(plain('😀'.repeat(20_000))), '😀'.repeat(MAX_PREVIEW))
    assert.equal(characters(preview(plain('é '.repeat(20_000)))), MAX_PREVIEW - 1)
  })
  test('a text that fills it with its last octet', () => {
    for (const length of [199, 200, 201]) assert.equal(preview(plain('x'.repeat(length))).length, Math.min(length, MAX_PREVIEW))
  })
  test('a character that the octets looked at cut', () => {
    for (let shift = 0; shift < 4; shift++)
      assert.equal(preview(`Content-Type: text/plain\n\n${' '.repeat(1021 + shift)}${'€'.repeat(300)}`), '€'.repeat(MAX_PREVIEW), `${shift}`)
  })
  test('white space without end takes no time', () => {
    const before = performance.now()
    for (const filler of [' ', '>\n', '\u200b', '<', '&nbsp;', '=\n', '-- \n', '\u200c']) {
      preview(plain(filler.repeat(MAX_PREVIEW_BYTES)))
      preview(html(filler.repeat(MAX_PREVIEW_BYTES)))
    }
    assert.ok(performance.now() - before < 3000)
  })
})

test('of every mail there is: one line, short, nothing unseen', () => {
  for (const { name, bytes } of [...pythonMails(), ...hardMails(20)]) {
    const text = preview(bytes)
    assert.ok([...text].length <= MAX_PREVIEW, name)
    assert.doesNotMatch(text, /[\p{Cc}\u2028\u2029]| {2}|^ | $/u, name)
  }
})
