import assert from 'node:assert/strict'
import { test } from 'node:test'
import { htmlText } from './html.ts'
import { unpackParts } from './parts.ts'
import { parseStructure } from './structure.ts'
import { searchText, TextCollector } from './text.ts'

const message = Buffer.from(
  [
    'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
    ' aus Wien',
    'X-Raw: \xc3\xbc',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    'preamble',
    '--b',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'sch=F6ne =',
    'Zeile',
    '--b',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('<p>für &amp; w<b>i</b>der</p>').toString('base64'),
    '--b',
    'Content-Type: image/png; name="bild.png"',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('geheim').toString('base64'),
    '--b',
    '',
    'no header',
    '--b',
    'Content-Type: message/rfc822',
    '',
    'Subject: =?iso-8859-1?q?=FCbel?=',
    '',
    'inside \xfc',
    '--b--',
    'epilogue',
    '',
  ].join('\r\n'),
  'latin1',
)
const parts = unpackParts(parseStructure(message).parts)

test('searchable text', () => {
  const { header, body } = searchText(message, parts)
  assert.equal(header, 'Subject: Grüße aus Wien\nX-Raw: ü\nContent-Type: multipart/mixed; boundary=b\n')
  for (const text of ['schöne Zeile', 'für & wider', 'bild.png', 'no header', 'Subject: übel', 'inside ü']) assert.ok(body.includes(text), text)
  for (const text of ['geheim', 'Z2VoZWlt', 'preamble', 'epilogue', 'Wien', '<p>', '--b']) assert.ok(!body.includes(text), text)
})

test('it is the same however the message comes', () => {
  const whole = searchText(message, parts)
  for (const step of [1, 2, 3, 7, 50, 10_000]) {
    const collector = new TextCollector(parts)
    for (let at = 0; at < message.length; at += step) collector.write(message.subarray(at, at + step))
    assert.deepEqual(collector.end(), whole, `${step} at a time`)
  }
})

test('a message of one part, of nothing, and one cut short', () => {
  const text = (source: string) => searchText(Buffer.from(source), unpackParts(parseStructure(Buffer.from(source)).parts))
  assert.deepEqual(text('Subject: x\r\n\r\nbody'), { header: 'Subject: x\n', body: 'body' })
  assert.deepEqual(text(''), { header: '', body: '' })
  assert.deepEqual(text('\r\nbody'), { header: '', body: 'body' })
  const collector = new TextCollector(parts)
  collector.write(message.subarray(0, 300))
  assert.ok(collector.end().body.includes('sch'))
})

test('the text is bounded, and says when it has enough', () => {
  const long = Buffer.from(`Subject: x\r\n\r\n${'y'.repeat(5000)}`)
  const collector = new TextCollector(unpackParts(parseStructure(long).parts), 1000)
  for (let at = 0; !collector.done; at += 100) {
    assert.ok(at <= 1000)
    collector.write(long.subarray(at, at + 100))
  }
  const { header, body } = collector.end()
  assert.equal(header, 'Subject: x\n')
  assert.equal(body.length, 1000 - 14)
})

test('it is done when the last text is behind it', () => {
  const attachment = Buffer.from('Content-Type: application/pdf\r\n\r\nlots')
  const collector = new TextCollector(unpackParts(parseStructure(attachment).parts))
  assert.equal(collector.done, false)
  collector.write(attachment.subarray(0, 34))
  assert.equal(collector.done, true)
})

const html: [string, string][] = [
  ['', ''],
  ['text', 'text'],
  ['a<br>b<p>c</p>d', 'a b c d'],
  ['w<b>o</b>r<SPAN class="x">d</SPAN>', 'word'],
  ['a<!-- no > --> b', 'a b'],
  ['a<script>var x = "</p>" < 3</script>b', 'a b'],
  ['a<STYLE>b</Style >c', 'a c'],
  ['a<style>never closed', 'a '],
  ['a</script>b', 'a b'],
  ['a<!-- never closed', 'a '],
  ['a<b never closed', 'a'],
  ['1 < 2 <3 <', '1 < 2 <3 <'],
  ['&lt;b&gt; &amp;amp; &auml;&Auml; &#228;&#xE4; &nosuch; &#0; &#xd800; &#9999999;', '<b> &amp; äÄ ää &nosuch; \ufffd \ufffd \ufffd'],
  ['a&nbsp;\r\n\tb', 'a b'],
  ['<!DOCTYPE html><?xml?>x', ' x'],
  ['&constructor;&__proto__;', '&constructor;&__proto__;'],
]
for (const [source, text] of html) test(`html ${JSON.stringify(source).slice(0, 40)}`, () => assert.equal(htmlText(source), text))

for (const piece of ['<', '<a', '<!--', '<script>', '</', '<script></', '&', '&#', '&aaaaaaaa', ' ', '<>', '<b>']) {
  test(`html of many ${piece}: linear`, () => {
    const time = (n: number) => {
      const from = performance.now()
      htmlText(piece.repeat(n))
      return performance.now() - from
    }
    time(1000)
    const small = time(25_000)
    assert.ok(time(100_000) < Math.max(12 * small, 250))
  })
}
