import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Bad, No } from '../reply.ts'
import type { Node } from './node.ts'
import { parseArguments } from './parse.ts'
import { ArgumentReader } from './read.ts'
import { Scanner } from './scan.ts'

async function reader(line: string, utf8 = false): Promise<ArgumentReader> {
  const scanner = new Scanner(10)
  scanner.line(line)
  return new ArgumentReader(await parseArguments(scanner.end()), { utf8 })
}
const literal = (form: 'literal' | 'literal8', octets: string): Node => ({ kind: 'string', form, octets: Buffer.from(octets, 'latin1') })

type Read = (r: ArgumentReader) => unknown
const good: [name: string, line: string, read: Read, value: unknown][] = [
  ['atom', 'Foo.bar', (r) => r.atom(), 'Foo.bar'],
  ['word', 'messages', (r) => r.word(['MESSAGES']), 'MESSAGES'],
  ['a word that may come', 'nil x', (r) => [r.maybe('X'), r.maybe('NIL'), r.maybe('X')], [false, true, true]],
  [
    'a list that may come',
    'x (Lazy z)',
    (r) => [r.maybeList(['LAZY']), r.word(), r.maybeList(['LAZY']), r.maybeList(['Z', 'LAZY'])],
    [false, 'X', false, true],
  ],
  ['a list of other things', '(y "z")', (r) => [r.maybeList(['Y', 'Z']), r.list((inner) => [inner.word(), inner.string()])], [false, ['Y', 'z']]],
  ['numbers', '0 4294967295', (r) => [r.number(), r.positive()], [0, 4294967295]],
  ['a set', '2:*,7', (r) => r.set(), [2, 0, 7, 7]],
  ['an astring that is an atom', 'a]b[c', (r) => r.astring(), 'a]b[c'],
  ['an astring called NIL', 'NIL', (r) => r.astring(), 'NIL'],
  ['an astring in UTF-8', '"\xc3\xa9"', (r) => r.astring(), 'é'],
  ['an astring in Latin-1', '"\xe9"', (r) => r.astring(), 'é'],
  ['its octets', '"\xe9\xff"', (r) => r.astringOctets().toString('latin1'), '\xe9\xff'],
  ['nstring', 'NIL "NIL"', (r) => [r.nstring(), r.nstring()], [undefined, 'NIL']],
  ['mailbox', 'inbox', (r) => r.mailbox(), 'INBOX'],
  ['mailbox in modified UTF-7', '"Entw&APw-rfe &- mehr"', (r) => r.mailbox(), 'Entwürfe & mehr'],
  ['mailbox in UTF-8 that nobody agreed on', '"M\xc3\xbcll & &AMQ-"', (r) => r.mailbox(), 'Müll & &AMQ-'],
  ['pattern', '&ZeVnLIqe-/%', (r) => r.pattern(), '日本語/%'],
  ['flags', '(\\seen $x)', (r) => r.flagList(), ['\\seen', '$x']],
  ['date-time', '" 1-Jan-1970 00:00:01 +0000"', (r) => r.dateTime(), 1000],
  ['dates', '2-Jan-1970 "2-Jan-1970"', (r) => [r.date(), r.date()], [86_400_000, 86_400_000]],
  ['an item', 'BODY[TEXT]<0.5>', (r) => r.item(), { kind: 'atom', text: 'BODY', section: [{ kind: 'atom', text: 'TEXT' }], partial: [0, 5] }],
  ['a list', '((a) b)', (r) => r.list((inner) => [inner.list((one) => one.atom()), inner.atom()]), ['a', 'b']],
  [
    'what comes next',
    'a "b" (c) BODY[]',
    (r) => [r.next, r.nextWord, r.any() && r.next, r.nextWord, r.any() && r.next, r.any() && r.nextWord],
    ['atom', 'A', 'string', '', 'list', ''],
  ],
]
describe('reads', () => {
  for (const [name, line, read, value] of good)
    test(name, async () => {
      const r = await reader(line)
      assert.deepEqual(read(r), value)
      if (name !== 'what comes next') r.end()
    })
})

const bad: [name: string, line: string, read: Read][] = [
  ['nothing', '', (r) => r.any()],
  ['a string for an atom', '"a"', (r) => r.atom()],
  ['a list for an atom', '(a)', (r) => r.atom()],
  ['a flag for an atom', '\\Seen', (r) => r.atom()],
  ['a section for an atom', 'BODY[]', (r) => r.atom()],
  ['an unknown word', 'foo', (r) => r.word(['BAR'])],
  ['a number with a sign', '-1', (r) => r.number()],
  ['a number too large', '4294967296', (r) => r.number()],
  ['a number too long', '00000000001', (r) => r.number()],
  ['zero for a positive number', '0', (r) => r.positive()],
  ['a string for a set', '"1"', (r) => r.set()],
  ['a wildcard in an astring', 'a*', (r) => r.astring()],
  ['octets above 127 in an astring', 'a\xe9', (r) => r.astring()],
  ['an atom for a string', 'a', (r) => r.string()],
  ['a list for a mailbox', '(a)', (r) => r.mailbox()],
  ['a backslash in a pattern', 'a\\b', (r) => r.pattern()],
  ['\\Recent', '(\\Recent)', (r) => r.flagList()],
  ['\\*', '(\\*)', (r) => r.flagList()],
  ['a list that is not read to its end', '(a b)', (r) => r.list((inner) => inner.atom())],
  ['a list that is too short', '(a)', (r) => r.list((inner) => [inner.atom(), inner.atom()])],
  ['an atom for a list', 'a', (r) => r.list(() => 0)],
  ['more than was asked for', 'a b', (r) => [r.atom(), r.end()]],
  ['a literal that is not there', '', (r) => r.literalStream()],
  ['a date that is none', '31-Feb-2024', (r) => r.date()],
]
describe('refuses', () => {
  for (const [name, line, read] of bad)
    test(name, async () => {
      const r = await reader(line)
      assert.throws(() => read(r), Bad)
    })

  test('literal8 where a string is meant', () => {
    assert.throws(() => new ArgumentReader([literal('literal8', 'a')]).astring(), Bad)
    assert.equal(new ArgumentReader([literal('literal', 'a')]).astring(), 'a')
  })

  test('a name that is no modified UTF-7, as NO', async () => {
    for (const line of ['&', '&-&', '&AMQ']) {
      const r = await reader(line)
      assert.throws(() => r.mailbox(), No)
      assert.throws(() => new ArgumentReader([literal('literal', '&')]).pattern(), No)
    }
  })
})

describe('after ENABLE UTF8=ACCEPT', () => {
  const text: [name: string, line: string, read: Read, value: unknown][] = [
    ['a mailbox is what it says', '"M\xc3\xbcll & &AMQ-"', (r) => r.mailbox(), 'Müll & &AMQ-'],
    ['an atom too', '&AMQ-', (r) => r.mailbox(), '&AMQ-'],
    ['the inbox', '"inbox/\xc3\xbc"', (r) => r.mailbox(), 'INBOX/ü'],
    ['a pattern', '"&*\xc3\xbc%"', (r) => r.pattern(), '&*ü%'],
    ['a name in a list', '("\xc3\xbc")', (r) => r.list((inner) => inner.mailbox()), 'ü'],
    ['an astring', '"\xc3\xbc"', (r) => r.astring(), 'ü'],
  ]
  for (const [name, line, read, value] of text) test(name, async () => assert.deepEqual(read(await reader(line, true)), value))

  const octets = ['\xff', 'a\xc3', '\xc0\xaf', '\xed\xa0\x80', '\xf5\x80\x80\x80']
  for (const [name, read] of [
    ['mailbox', (r: ArgumentReader) => r.mailbox()],
    ['pattern', (r: ArgumentReader) => r.pattern()],
    ['astring', (r: ArgumentReader) => r.astring()],
    ['string', (r: ArgumentReader) => r.string()],
    ['a mailbox in a list', (r: ArgumentReader) => r.list((inner) => inner.mailbox())],
  ] as const)
    test(`what is no UTF-8 is no ${name}`, async () => {
      for (const one of octets) {
        const r = await reader(name.includes('list') ? `("${one}")` : `"${one}"`, true)
        assert.throws(() => read(r), Bad)
      }
    })
})
