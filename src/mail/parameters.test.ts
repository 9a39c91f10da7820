import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeExtended, MAX_PARAMETERS, MAX_SEGMENTS, parameter, parseParametrised } from './parameters.ts'

const cases: [string, string, [string, string][]][] = [
  ['', '', []],
  ['text/plain', 'text/plain', []],
  [' TEXT / Plain (comment) ;', 'text/plain', []],
  ['text/plain; charset=us-ascii (Plain text)', 'text/plain', [['charset', 'us-ascii']]],
  [
    'text/plain; charset="us-ascii"; Format=Flowed',
    'text/plain',
    [
      ['charset', 'us-ascii'],
      ['format', 'Flowed'],
    ],
  ],
  [
    'a/b; x = "1" ; y= 2',
    'a/b',
    [
      ['x', '1'],
      ['y', '2'],
    ],
  ],
  [
    'a/b; x="a;b=c\\"d\\\\"; y=2',
    'a/b',
    [
      ['x', 'a;b=c"d\\'],
      ['y', '2'],
    ],
  ],
  [
    'a/b; x=1 y=2',
    'a/b',
    [
      ['x', '1'],
      ['y', '2'],
    ],
  ],
  ['a/b x=1', 'a/b', [['x', '1']]],
  [
    'a/b; x="1" junk; y=2',
    'a/b',
    [
      ['x', '1'],
      ['y', '2'],
    ],
  ],
  [
    'a/b; filename=my file (1).pdf ; y=2',
    'a/b',
    [
      ['filename', 'my file (1).pdf'],
      ['y', '2'],
    ],
  ],
  ['a/b; x', 'a/b', []],
  ['a/b; =1; ;; x=', 'a/b', [['x', '']]],
  ['a/b; x="unended', 'a/b', [['x', 'unended']]],
  ['a/b; x="\\', 'a/b', [['x', '\\']]],
  ['a/b (unended; x=1', 'a/b', []],
  [
    'a/b; x=1; x=2',
    'a/b',
    [
      ['x', '1'],
      ['x', '2'],
    ],
  ],
  [
    'a/b; __proto__=1; constructor=2',
    'a/b',
    [
      ['__proto__', '1'],
      ['constructor', '2'],
    ],
  ],
  ['a/b; f*0=a; f*1=b; f*2=c', 'a/b', [['f', 'abc']]],
  [
    'a/b; f*2=c; g=1; f*0=a; f*1=b',
    'a/b',
    [
      ['f', 'abc'],
      ['g', '1'],
    ],
  ],
  ['a/b; f*0=a; f*2=c', 'a/b', [['f', 'a']]],
  ['a/b; f*1=b', 'a/b', []],
  ['a/b; f*0=a; f*0=z', 'a/b', [['f', 'a']]],
  ["a/b; f*=utf-8'de'%C3%BC", 'a/b', [['f*', "utf-8'de'%C3%BC"]]],
  ['a/b; f*0*=utf-8\'\'%C3%BC; f*1=" %"; f*2*=%41', 'a/b', [['f*', "utf-8''%C3%BC%20%25%41"]]],
  ['a/b; f*0=a; f*1*=%41', 'a/b', [['f*', "''a%41"]]],
  ['a/b; f*9999=x', 'a/b', [['f*9999', 'x']]],
  ['a/b; f*x=y', 'a/b', [['f*x', 'y']]],
  ['a/b; *0=y', 'a/b', [['*0', 'y']]],
]
for (const [text, value, parameters] of cases) test(`parameters ${text}`, () => assert.deepEqual(parseParametrised(text), { value, parameters }))

test('every text cut anywhere parses', () => {
  for (const [text] of cases) for (let i = 0; i <= text.length; i++) parseParametrised(text.slice(0, i))
})

test('a parameter is found in either form, the first counts', () => {
  const { parameters } = parseParametrised("a/b; x=1; x=2; y*=utf-8''%C3%BC%zz; boundary*0=a; boundary*1=b")
  assert.equal(parameter(parameters, 'x'), '1')
  assert.equal(parameter(parameters, 'y'), '\xc3\xbc%zz')
  assert.equal(parameter(parameters, 'boundary'), 'ab')
  assert.equal(parameter(parameters, 'z'), undefined)
  assert.deepEqual(decodeExtended("UTF-8'en'a%20b"), { charset: 'utf-8', text: 'a b' })
  for (const text of ['', "'", 'a%20b', "x'a"]) assert.equal(decodeExtended(text).charset, '')
})

test('parameters and their pieces are bounded', () => {
  const many = (make: (i: number) => string) =>
    parseParametrised(`a/b${Array.from({ length: 100_000 }, (_, i) => `; ${make(i)}`).join('')}`).parameters
  assert.equal(many((i) => `p${i}=x`).length, MAX_PARAMETERS)
  assert.deepEqual(
    many((i) => `p*${i}=x`),
    [['p', 'x'.repeat(MAX_SEGMENTS)]],
  )
  assert.equal(many((i) => `p${i}*0=x`).length, MAX_PARAMETERS)
})

for (const piece of ['; x=', ';', '(', '"', '; x="\\', '=', ' ', '/', '; a*1*=b', 'a ', '; name=a ']) {
  test(`a text of many ${piece}: linear`, () => {
    const time = (n: number) => {
      const from = performance.now()
      parseParametrised(`a/b${piece.repeat(n)}`)
      return performance.now() - from
    }
    time(1000)
    const small = time(25_000)
    assert.ok(time(100_000) < Math.max(12 * small, 250))
  })
}
