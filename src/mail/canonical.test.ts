import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { canonical } from './canonical.ts'
import { casemap } from './casemap.ts'

describe('canonical', () => {
  for (const [text, expected] of [
    ['', ''],
    ['Hello, World 42', 'hello, world 42'],
    ['É', 'e\u0301'],
    ['e\u0301x', 'e\u0301x'],
    ['Straße', 'straße'],
    ['ΣΊΣΥΦΟΣ', canonical('Σίσυφος')],
    ['Привет', canonical('ПРИВЕТ')],
    ['ﬁne', 'FIne'],
    ['A\u1112\u1161\u11ab', 'a한'],
    ['\ud800', '\ud800'],
  ] as const)
    test(JSON.stringify(text), () => assert.equal(canonical(text), expected))

  test('composed texts are the same where i;unicode-casemap says so, and only there', () => {
    const texts = [
      'e',
      'E',
      'é',
      'É',
      'z',
      'Z',
      'ǆ',
      'Ǆ',
      'ǅ',
      'dž',
      'DŽ',
      'ß',
      'SS',
      'ﬁ',
      'fi',
      'FI',
      'ς',
      'σ',
      'Σ',
      'ᾳ',
      'ᾼ',
      'ａ',
      'a',
      '①',
      '1',
      '한',
      '𐐨',
      '𐐀',
    ]
    for (const a of texts) for (const b of texts) assert.equal(canonical(a) === canonical(b), casemap(a) === casemap(b), `${a} ${b}`)
  })
})
