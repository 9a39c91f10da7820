import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seeded } from '../../test/support/random.ts'
import { canonical } from './canonical.ts'
import { fold } from './fold.ts'
import { BEGINNING, ENDING, EXACT, findersOf, isOneEdit, TYPO, wordsOf } from './fuzzy.ts'

const folded = (text: string): string => fold(canonical(text))
const quality = (text: string, word: string, typos = 5): number => Math.max(...findersOf(folded(word), typos).map(({ find }) => find(folded(text))))

describe('fold', () => {
  for (const [text, plain] of [
    ['Café CRÈME', 'cafe creme'],
    ['Łódź', 'lodz'],
    ['Søren Ærø', 'soren aero'],
    ['STRASSE', 'strasse'],
    ['Straße', 'strasse'],
    ['İzmir', 'izmir'],
    ['plain', 'plain'],
  ] as const)
    test(text, () => assert.equal(folded(text), plain))
  test('accents of Greek and Cyrillic, however typed', () => {
    assert.equal(folded('άλφα'), folded('ΑΛΦΑ'))
    assert.equal(folded('ёлка'), folded('Елка'))
    assert.equal(folded('e\u0301'), folded('\u00e9'))
  })
  test('vowels of other scripts stay', () => {
    assert.notEqual(folded('कि'), folded('क'))
    assert.notEqual(folded('が'), folded('か'))
  })
  test('of a part it makes a part', () => {
    const random = seeded(5)
    const ALPHABET = [...'aBcÉßØłİのか한😀 ', 'e\u0301', 'K\u030c']
    for (let i = 0; i < 300; i++) {
      const text = canonical(Array.from({ length: 20 }, () => ALPHABET[random(ALPHABET.length)]).join(''))
      const from = random(text.length)
      assert.ok(fold(text).includes(fold(text.slice(from, from + random(8)))))
    }
  })
})

test('words', () => {
  assert.deepEqual(wordsOf(folded('Re: the budget, the BUDGET!')), ['re', 'the', 'budget'])
  assert.deepEqual(wordsOf('alice@example.org'), ['alice', 'example', 'org'])
  assert.deepEqual(wordsOf(' --- '), [])
  assert.equal(wordsOf('a b c d e f g h i j').length, 8)
})

describe('how well a word is met', () => {
  for (const [text, word, expected] of [
    ['the meeting at nine', 'meeting', EXACT],
    ['Meeting', 'MEETING', EXACT],
    ['the meetings', 'meeting', BEGINNING],
    ['meeting', 'meet', BEGINNING],
    ['rechnungsnummer', 'rechnung', BEGINNING],
    ['invoice', 'invoices', ENDING],
    ['invoicing', 'invoices', ENDING],
    ['one bill', 'bills', ENDING],
    ['unmeeting', 'meeting', 0],
    ['metting', 'meeting', TYPO],
    ['meetting', 'meeting', TYPO],
    ['meteing', 'meeting', TYPO],
    ['mewting', 'meeting', TYPO],
    ['hallo', 'hello', TYPO],
    ['cello', 'hello', 0],
    ['hull', 'hell', 0],
    ['café', 'cafe', EXACT],
    ['muller', 'mueller', TYPO],
    ['2025', '2024', 0],
    ['20240101', '2024', BEGINNING],
    ['x1y2z3', 'x1y2z4', 0],
    ['at ate', 'at', EXACT],
    ['ate', 'at', 0],
    ['東京会議資料', '会議', EXACT],
    ['会議meeting', 'meeting', EXACT],
    ['metting and meeting', 'meeting', EXACT],
  ] as const)
    test(`${word} in ${text}`, () => assert.equal(quality(text, word), expected))

  test('a word too short for its place', () => assert.equal(quality('metting', 'meeting', 8), 0))
})

test('one letter wrong, wherever it is, but the first', () => {
  const random = seeded(3)
  const letter = (): string => 'abcdeé'[random(6)]!
  const count = { typos: 0, others: 0 }
  for (let i = 0; i < 4000; i++) {
    const word = folded(Array.from({ length: 5 + random(5) }, letter).join(''))
    const at = 1 + random(word.length - 1)
    const changed = [
      word.slice(0, at) + word.slice(at + 1),
      word.slice(0, at) + letter() + word.slice(at),
      word.slice(0, at) + letter() + word.slice(at + 1),
      word.slice(0, at) + (word[at + 1] ?? '') + word[at]! + word.slice(at + 2),
      word.slice(0, at) + letter() + letter() + word.slice(at),
    ][random(5)]!
    const token = folded(changed)
    const isTypo = isOneEdit(word, token)
    if (isTypo) {
      count.typos++
      assert.ok(quality(`x ${token}, y`, word) >= TYPO, `${word} ${token}`)
    } else if (token !== word && !token.startsWith(word.slice(0, Math.max(4, word.length - 2)))) {
      count.others++
      assert.equal(quality(`x ${token}, y`, word), 0, `${word} ${token}`)
    }
    for (const { piece, find } of findersOf(word, 5)) if (find(token) > 0) assert.ok(token.includes(piece))
  }
  assert.ok(count.typos > 1000 && count.others > 100)
})

test('one edit', () => {
  for (const [a, b, one] of [
    ['abc', 'abc', false],
    ['abc', 'abd', true],
    ['abc', 'acb', true],
    ['abc', 'ab', true],
    ['abc', 'abcd', true],
    ['abc', 'a', false],
    ['abcd', 'badc', false],
    ['abc', 'cba', false],
  ] as const) {
    assert.equal(isOneEdit(a, b), one, `${a} ${b}`)
    assert.equal(isOneEdit(b, a), one, `${b} ${a}`)
  }
})

test('a text that repeats a piece takes no long time', () => {
  const text = 'meetxnggggggg '.repeat(75_000)
  const start = performance.now()
  for (const { find } of findersOf('meetings', 5)) assert.ok(find(text) <= ENDING)
  assert.ok(performance.now() - start < 200)
})
