import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBinary, decodeText, isCharset } from './charset.ts'
import { decodeWords } from './words.ts'

const cases: [string, string][] = [
  ['', ''],
  ['plain', 'plain'],
  ['=?utf-8?q?J=C3=BCrgen?=', 'Jürgen'],
  ['=?UTF-8?Q?J=c3=bcrgen_M?= x', 'Jürgen M x'],
  ['=?utf-8?B?SsO8cmdlbg==?=', 'Jürgen'],
  ['=?iso-8859-1?Q?a?= b', 'a b'],
  ['=?iso-8859-1?Q?a?= =?iso-8859-1?Q?b?=', 'ab'],
  ['=?iso-8859-1?Q?a?=\t  =?utf-8?Q?b?=', 'ab'],
  ['=?iso-8859-1?Q?a?= x =?iso-8859-1?Q?b?=', 'a x b'],
  ['=?ISO-8859-1?Q?a_b?=', 'a b'],
  ['=?iso-8859-1?Q?a?= =?iso-8859-2?Q?_b?=', 'a b'],
  ['=?utf-8?q?=C3?= =?utf-8?q?=BC?=', 'ü'],
  ['=?utf-8?b?w7w?= =?UTF-8?q?=C3=BC?=', 'üü'],
  ['=?utf-8?q?=C3=BC?= =?iso-8859-1?q?=FC?=', 'üü'],
  ['=?utf-8*de?q?=C3=BC?=', 'ü'],
  ['=?iso-2022-jp?B?GyRCJCIbKEI=?=', 'あ'],
  ['=?gb2312?B?xOO6ww==?=', '你好'],
  ['=?cp932?B?gqA=?=', 'あ'],
  ['=?nonsense?q?=C3=BC=E9?=', 'Ã¼é'],
  ['=?nonsense?q?=C3=BC?=', 'ü'],
  ['=?us-ascii?q?=E9?=', 'é'],
  ['a=?utf-8?q?b?=c', 'abc'],
  ['=?utf-8?q?with blank?=', 'with blank'],
  ['=?utf-8?q?=XY=4?=', '=XY=4'],
  ['=?utf-8?x?abc?=', '=?utf-8?x?abc?='],
  ['=?utf-8?q?abc', '=?utf-8?q?abc'],
  ['=?utf-8?q?abc?', '=?utf-8?q?abc?'],
  ['=?utf-8?q', '=?utf-8?q'],
  ['=?', '=?'],
  ['=?=?utf-8?q?a?=', '=?a'],
  ['=?utf-8?q??=x', 'x'],
  ['=?utf-8?b?!!?=', ''],
  ['\xc3\xbc raw', 'ü raw'],
  ['\xfc raw', 'ü raw'],
  ['\xc3\xa0', 'à'],
  [`=?${'a'.repeat(65)}?q?b?=`, `=?${'a'.repeat(65)}?q?b?=`],
]
for (const [value, text] of cases) test(`words ${JSON.stringify(value).slice(0, 50)}`, () => assert.equal(decodeWords(value), text))

test('values cut anywhere decode to something', () => {
  for (const [value] of cases) for (let i = 0; i <= value.length; i++) assert.equal(typeof decodeWords(value.slice(0, i)), 'string')
})

for (const [name, make] of [
  ['opened', (n: number) => '=?'.repeat(n)],
  ['cut short', (n: number) => '=?a?q?'.repeat(n)],
  ['unended', (n: number) => `=?a?q?${'x'.repeat(6 * n)}`],
  ['adjacent', (n: number) => '=?utf-8?q?a?= '.repeat(n)],
  ['of changing charset', (n: number) => '=?utf-8?q?a?= =?latin1?q?a?= '.repeat(n)],
] as const) {
  test(`words ${name}: linear`, () => {
    const time = (n: number) => {
      const from = performance.now()
      decodeWords(make(n))
      return performance.now() - from
    }
    time(500)
    const small = time(2500)
    assert.ok(time(10_000) < Math.max(12 * small, 250))
  })
}

test('charsets', () => {
  const umlaut = Buffer.from([0xfc])
  for (const name of ['iso-8859-1', 'ISO_8859-1', 'latin1', 'iso8859-15', '8859-1', 'windows-1252', 'CP1252', 'win-1252', ' iso-8859-2 '])
    assert.equal(decodeText(umlaut, name), 'ü', name)
  assert.equal(decodeText(Buffer.from([0x80]), 'iso-8859-1'), '€')
  assert.equal(decodeText(Buffer.from([0xc3]), 'utf-8'), '\ufffd')
  assert.equal(decodeText(Buffer.from('\ufeffü'), 'utf-8'), 'ü')
  assert.equal(decodeText(Buffer.from('ü', 'utf16le'), 'utf-16'), 'ü')
  for (const name of ['', ' ', 'iso-8859-99', '__proto__', 'iso-2022-kr', 'hz-gb-2312', 'x'.repeat(100_000), '\0', undefined]) {
    assert.equal(decodeText(umlaut, name), 'ü', name?.slice(0, 20))
    assert.equal(decodeText(Buffer.from('ü'), name), 'ü')
  }
  for (const [name, known] of [
    ['UTF-8', true],
    ['us-ascii', true],
    ['koi8-r', true],
    ['cp936', true],
    ['', false],
    ['klingon', false],
  ] as const)
    assert.equal(isCharset(name), known, name)
  assert.equal(decodeBinary('\xc3\xbc'), 'ü')
  assert.equal(decodeBinary('abc', 'utf-16le'), '扡\ufffd')
})
