/** Each gap of the library's tokenizer that scan.ts and parse.ts repair, and that the rest comes through. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Bad } from '../reply.ts'
import type { Node } from './node.ts'
import { parseArguments } from './parse.ts'
import { MAX_TOKENS, Scanner } from './scan.ts'

/** Lines with the literals between them, as a connection would feed them. */
async function parse(lines: string[], literals: string[] = [], nesting = 50): Promise<Node[]> {
  const scanner = new Scanner(nesting)
  lines.forEach((line, i) => {
    const marker = scanner.line(line)
    const octets = literals[i]
    assert.equal(marker?.size, octets?.length)
    if (octets !== undefined) scanner.literal(Buffer.from(octets, 'latin1'))
  })
  return await parseArguments(scanner.end())
}

type Plain = string | { readonly [kind: string]: unknown } | readonly Plain[]
/** 'atom', { s: quoted }, { lit }, { lit8 }, lists as arrays, { b, section, partial }. */
function plain(node: Node): Plain {
  if (node.kind === 'list') return node.items.map(plain)
  if (node.kind === 'string') return { [node.form === 'quoted' ? 's' : node.form === 'literal' ? 'lit' : 'lit8']: node.octets.toString('latin1') }
  if (!node.section) return node.text
  return { b: node.text, section: node.section.map(plain), ...(node.partial && { partial: node.partial }) }
}

const GOOD: [name: string, line: string, expected: Plain[]][] = [
  ['nothing', '', []],
  ['atoms', 'INBOX foo.bar/baz', ['INBOX', 'foo.bar/baz']],
  ['a set', '1:5,7,*:9 FLAGS', ['1:5,7,*:9', 'FLAGS']],
  ['a set directly before )', '(1:5)', [['1:5']]],
  ['a set before ), deep', '(NOT (SUBJECT "x" 2,4:7))', [['NOT', ['SUBJECT', { s: 'x' }, '2,4:7']]]],
  ['parameters with a set', 'box (QRESYNC (1 2 41,43:211))', ['box', ['QRESYNC', ['1', '2', '41,43:211']]]],
  ['a lone star', '* (FLAGS)', ['*', ['FLAGS']]],
  ['numbers stay as written', '0 007 4294967296', ['0', '007', '4294967296']],
  ['list patterns without quotes', '"" INBOX/%', [{ s: '' }, 'INBOX/%']],
  ['a pattern that begins with a wildcard', '"" *', [{ s: '' }, '*']],
  ['patterns in a list', '(% *.foo a*b)', [['%', '*.foo', 'a*b']]],
  ['a name with brackets', '[Gmail]/Sent ]odd[', ['[Gmail]/Sent', ']odd[']],
  ['NIL is a word', 'NIL nil "NIL"', ['NIL', 'nil', { s: 'NIL' }]],
  ['commands of the library', 'OK NO BAD BYE', ['OK', 'NO', 'BAD', 'BYE']],
  ['a status that looks like a code', 'OK [ALERT]', ['OK', '[ALERT]']],
  ['flags', '+FLAGS.SILENT (\\Seen $Junk \\Deleted)', ['+FLAGS.SILENT', ['\\Seen', '$Junk', '\\Deleted']]],
  ['an empty list', '() (())', [[], [[]]]],
  ['quotes', '"a \\"b\\" \\\\ (c) {5} %"', [{ s: 'a "b" \\ (c) {5} %' }]],
  ['octets above 127 come as they are', '"\xe9\xff\xc3\xa9\xa0" x', [{ s: '\xe9\xff\xc3\xa9\xa0' }, 'x']],
  ['octets that are no UTF-8 in an atom', '\xa0\xe9 x', ['\xa0\xe9', 'x']],
  ['one space at the end', 'INBOX ', ['INBOX']],
  [
    'sections',
    'BODY[] body.peek[1.2.MIME] BODY[TEXT]<0.100>',
    [
      { b: 'BODY', section: [] },
      { b: 'body.peek', section: ['1.2.MIME'] },
      { b: 'BODY', section: ['TEXT'], partial: [0, 100] },
    ],
  ],
  [
    'header lists',
    '(UID BODY.PEEK[1.HEADER.FIELDS (From "X y" NIL a]b)]<5.10> RFC822.SIZE)',
    [['UID', { b: 'BODY.PEEK', section: ['1.HEADER.FIELDS', ['From', { s: 'X y' }, 'NIL', 'a]b']], partial: [5, 10] }, 'RFC822.SIZE']],
  ],
  ['a partial of one number', 'BODY[]<0>', [{ b: 'BODY', section: [], partial: [0] }]],
  ['angle brackets elsewhere', 'HEADER Message-ID <a@b>', ['HEADER', 'Message-ID', '<a@b>']],
  ['angle brackets behind a section and a space', 'BODY[] <1>', [{ b: 'BODY', section: [] }, '<1>']],
  ['what looks like a literal inside quotes', '"x {5}"', [{ s: 'x {5}' }]],
]
describe('arguments', () => {
  for (const [name, line, expected] of GOOD) test(name, async () => assert.deepEqual((await parse([line])).map(plain), expected))

  test('literals of both kinds, empty ones, and what is in them', async () => {
    const nodes = await parse(['{3}', ' {0}', ' ~{4}', ' (a {5+}', ' b)'], ['"(\r', '', '\0\xff{}', 'NIL)\n'])
    assert.deepEqual(nodes.map(plain), [{ lit: '"(\r' }, { lit: '' }, { lit8: '\0\xff{}' }, ['a', { lit: 'NIL)\n' }, 'b']])
  })

  test('a literal in a header list', async () => {
    const nodes = await parse(['1 (BODY[HEADER.FIELDS (From {2}', ')] UID)'], ['To'])
    assert.deepEqual(nodes.map(plain), ['1', [{ b: 'BODY', section: ['HEADER.FIELDS', ['From', { lit: 'To' }]] }, 'UID']])
  })

  test('the marker says how it was meant and where it stands', () => {
    const at = (line: string) => new Scanner(5).line(line)
    assert.deepEqual(at('INBOX (\\Seen) {12}'), { size: 12, form: 'literal', nonSync: false, argument: 2, within: false })
    assert.deepEqual(at('{12+}'), { size: 12, form: 'literal', nonSync: true, argument: 0, within: false })
    assert.deepEqual(at('INBOX ~{0+}'), { size: 0, form: 'literal8', nonSync: true, argument: 1, within: false })
    assert.deepEqual(at('INBOX CATENATE (TEXT {7}'), { size: 7, form: 'literal', nonSync: false, argument: 2, within: true })
    assert.deepEqual(at('INBOX ((TEXT {7}'), { size: 7, form: 'literal', nonSync: false, argument: undefined, within: false })
    assert.deepEqual(at('INBOX UTF8 (~{7}'), { size: 7, form: 'literal8', nonSync: false, argument: 2, within: true })
    assert.equal(at('INBOX {99999999999999999999}')?.size, 1e20)
    assert.equal(at('INBOX'), undefined)
  })

  test('behind a literal that stays on the wire, in a list or not', async () => {
    const read = async (line: string, behind?: { within: boolean }) => {
      const scanner = new Scanner(5, behind)
      if (scanner.line(line)?.within) scanner.part()
      return (await parseArguments(scanner.end())).map(plain)
    }
    assert.deepEqual(await read('INBOX (a b) CATENATE (TEXT {7}'), ['INBOX', ['a', 'b'], 'CATENATE', '(', 'TEXT'])
    assert.deepEqual(await read('INBOX UTF8 (~{7}'), ['INBOX', 'UTF8', '('])
    assert.deepEqual(await read(' URL "/x" TEXT {7}', { within: true }), ['URL', { s: '/x' }, 'TEXT'])
    assert.deepEqual(await read(')', { within: true }), [')'])
    assert.deepEqual(await read(' URL (x)) (y) CATENATE (TEXT {7}', { within: true }), ['URL', ['x'], ')', ['y'], 'CATENATE', '(', 'TEXT'])
    assert.deepEqual(await read(' (y) {7}', { within: false }), [['y']])
    assert.deepEqual(await read('', { within: false }), [])
    for (const line of ['', 'x', ' x', '))', ') )', ')x']) await assert.rejects(read(line, { within: true }), { name: 'Bad' }, line)
    for (const line of [')', 'x', '{1}', ' x)']) await assert.rejects(read(line, { within: false }), { name: 'Bad' }, line)
  })

  for (const depth of [1, 15, 16, 17, 31, 32, 33, 50])
    test(`${depth} lists within lists`, async () => {
      const [outer] = await parse([`${'('.repeat(depth)}BODY[HEADER.FIELDS (x)] 1:2${')'.repeat(depth)}`], [], 51)
      let node = outer
      for (let i = 1; i < depth; i++) node = node?.kind === 'list' && node.items.length === 1 ? node.items[0] : undefined
      assert.deepEqual(node && plain(node), [{ b: 'BODY', section: ['HEADER.FIELDS', ['x']] }, '1:2'])
    })

  test('siblings at every depth', async () => {
    let line = 'x'
    for (let i = 0; i < 40; i++) line = `(${i} ${line} "q")`
    let [node] = await parse([line])
    for (let i = 39; i >= 0; i--) {
      assert.ok(node?.kind === 'list')
      assert.deepEqual(
        [node.items[0], node.items[2]].map((n) => n && plain(n)),
        [`${i}`, { s: 'q' }],
      )
      node = node.items[1]
    }
  })
})

const BAD: [name: string, line: string][] = [
  ['two spaces', 'a  b'],
  ['a space first', ' a'],
  ['two spaces at the end', 'a  '],
  ['a space after (', '( a)'],
  ['a space before )', '(a )'],
  ['no space between lists', '(a)(b)'],
  ['no space after a string', '"a"b'],
  ['no space before a string', 'a"b"'],
  ['no space after a section', 'BODY[]x'],
  ['a list that is not closed', '(a (b)'],
  ['a ) too many', 'a)'],
  ['a string that is not closed', '"abc'],
  ['a string that ends in a backslash', '"abc\\'],
  ['an escape of another character', '"DOMAIN\\user"'],
  ['NUL in a string', '"a\0b"'],
  ['CR in a string', '"a\rb"'],
  ['a literal in the middle', '{3} x'],
  ['a negative literal', '{-1}'],
  ['a literal without digits', '{}'],
  ['a literal that hangs on an atom', 'abc{3}'],
  ['a literal as a section', 'BODY[{3}'],
  ['a section without an end', 'BODY[TEXT'],
  ['a section with two texts', 'BODY[TEXT MIME]'],
  ['a section with something behind its list', 'BODY[HEADER.FIELDS (a) b]'],
  ['a section that begins with a space', 'BODY[ ]'],
  ['an open partial', 'BODY[]<0.5'],
  ['an empty partial', 'BODY[]<>'],
  ['a partial of three', 'BODY[]<1.2.3>'],
  ['a partial too large', 'BODY[]<12345678901>'],
  ['a tab', 'a\t"b"'],
]
describe('refused', () => {
  for (const [name, line] of BAD) test(name, () => assert.rejects(parse([line]), Bad))
  test('one list more than allowed', async () => {
    await parse(['(((a)))'], [], 3)
    await assert.rejects(parse(['((((a))))'], [], 3), Bad)
  })
  test('one token more than allowed', () => assert.rejects(parse(['a '.repeat(MAX_TOKENS + 1)]), Bad))
  test('100,000 parentheses', () => assert.rejects(parse(['('.repeat(100_000)]), Bad))
  test('the message does not repeat the input', () => assert.rejects(parse(['sekrit"x"']), (error: Error) => !error.message.includes('sekrit')))
})

describe('cost', () => {
  const cases: [name: string, line: string][] = [
    [
      'a set of 16,000 ranges',
      Array.from({ length: 16_000 }, (_, i) => `${i * 9 + 1}:${i * 9 + 2}`)
        .join(',')
        .slice(0, 200_000),
    ],
    ['an atom of commas', 'a,'.repeat(32_000)],
    ['an atom of brackets', '['.repeat(64_000)],
    ['short tokens', 'a '.repeat(MAX_TOKENS).trim()],
    ['empty lists', `(${'() '.repeat(9_000).trim()})`],
    ['tildes', '~ '.repeat(MAX_TOKENS).trim()],
    ['a long string', `"${'\\"'.repeat(32_000)}"`],
    ['header lists', `(${'BODY[HEADER.FIELDS (a b c)] '.repeat(1_900).trim()})`],
  ]
  for (const [name, line] of cases)
    test(name, async () => {
      const before = process.cpuUsage()
      await parse([line])
      const ms = process.cpuUsage(before).user / 1000
      assert.ok(ms < 500, `${ms} ms`)
    })
})
