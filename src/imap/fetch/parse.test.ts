import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { argumentsOf } from '../../../test/support/arguments.ts'
import type { By } from '../command.ts'
import { Bad } from '../reply.ts'
import { readFetch } from './parse.ts'
import { FETCH_ITEMS } from './table.ts'

async function read(line: string, { by = 'msn' as By, literals = [] as string[] } = {}) {
  const r = await argumentsOf(line, literals)
  const args = readFetch(r, by, { fetchItems: FETCH_ITEMS, fetchModifiers: new Map() })
  r.end()
  return args
}

/** Names as they will be in the response; `!` for items that set \Seen. */
const named = async (line: string, options?: Parameters<typeof read>[1]): Promise<string> =>
  (await read(line, options)).items.map((item) => (item.seen ? `${item.name}!` : item.name)).join(' ')

const GOOD: [line: string, items: string][] = [
  ['1 FLAGS', 'FLAGS'],
  ['1 (flags uid)', 'FLAGS UID'],
  ['1 ALL', 'FLAGS INTERNALDATE RFC822.SIZE ENVELOPE'],
  ['1 fast', 'FLAGS INTERNALDATE RFC822.SIZE'],
  ['1 FULL', 'FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY'],
  ['1 (UID FLAGS UID FLAGS)', 'UID FLAGS'],
  ['1 (ENVELOPE BODY BODYSTRUCTURE)', 'ENVELOPE BODY BODYSTRUCTURE'],
  ['1 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)', 'RFC822! RFC822.HEADER RFC822.TEXT! RFC822.SIZE'],
  ['1 BODY[]', 'BODY[]!'],
  ['1 body.peek[]', 'BODY[]'],
  ['1 BODY[]<5.100>', 'BODY[]<5>!'],
  ['1 BODY.PEEK[text]<0.1>', 'BODY[TEXT]<0>'],
  ['1 (BODY[1] BODY[1.2.3] BODY[4.mime])', 'BODY[1]! BODY[1.2.3]! BODY[4.MIME]!'],
  ['1 (BODY.PEEK[HEADER] BODY.PEEK[2.HEADER] BODY.PEEK[2.1.TEXT])', 'BODY[HEADER] BODY[2.HEADER] BODY[2.1.TEXT]'],
  ['1 BODY.PEEK[header.fields (From To)]', 'BODY[HEADER.FIELDS (From To)]'],
  ['1 BODY.PEEK[HEADER.FIELDS.NOT ("Subject")]', 'BODY[HEADER.FIELDS.NOT (Subject)]'],
  ['1 BODY.PEEK[2.HEADER.FIELDS (X-A "b c" "q\\"")]<0.9>', 'BODY[2.HEADER.FIELDS (X-A "b c" "q\\"")]<0>'],
  ['1 (BODY[]<0.10> BODY[]<10.10>)', 'BODY[]<0>! BODY[]<10>!'],
]

const BAD: [line: string, text: RegExp][] = [
  ['', /Missing argument/],
  ['1', /Missing argument/],
  ['x FLAGS', /number set/],
  ['0 FLAGS', /number set/],
  ['1 ()', /No data items/],
  ['1 (ALL)', /stand alone/],
  ['1 (FLAGS FAST)', /stand alone/],
  ['1 NONSENSE', /Unknown data item/],
  ['1 "FLAGS"', /Invalid argument/],
  ['1 FLAGS UID', /Too many arguments/],
  ['1 BODY.PEEK', /needs a section/],
  ['1 (FLAGS (UID))', /Invalid argument/],
  ['1 BODY[0]', /part number/],
  ['1 BODY[01]', /part number/],
  ['1 BODY[1.]', /part number/],
  ['1 BODY[12345678901]', /part number/],
  ['1 BODY[1..2]', /body section/],
  ['1 BODY[.1]', /body section/],
  ['1 BODY[1x]', /part number/],
  ['1 BODY[MIME]', /MIME needs/],
  ['1 BODY[HEADER.1]', /body section/],
  ['1 BODY[FOO]', /body section/],
  ['1 BODY[HEADER.FIELDS]', /list of field names/],
  ['1 BODY[HEADER.FIELDS ()]', /list of field names/],
  ['1 BODY[TEXT (From)]', /body section/],
  ['1 BODY[]<5>', /offset and a length/],
  ['1 BODY[]<5.0>', /at least 1/],
  [`1 BODY[${Array.from({ length: 101 }, () => '1').join('.')}]`, /Too many part numbers/],
  [`1 BODY[HEADER.FIELDS (${'x'.repeat(8200)})]`, /Too many header field names/],
  [`1 (${Array.from({ length: 251 }, (_, i) => `BODY[${i + 1}]`).join(' ')})`, /Too many data items/],
]

describe('readFetch', () => {
  for (const [line, items] of GOOD) test(line, async () => assert.equal(await named(line), items))
  for (const [line, text] of BAD)
    test(`refuses ${line.slice(0, 60)}`, async () => {
      await assert.rejects(read(line), (err) => err instanceof Bad && text.test(err.message))
    })

  test('UID FETCH answers with the UID, first unless it was asked for', async () => {
    assert.equal(await named('1 FLAGS', { by: 'uid' }), 'UID FLAGS')
    assert.equal(await named('1 (FLAGS UID)', { by: 'uid' }), 'FLAGS UID')
    assert.equal(await named('1 ALL', { by: 'uid' }), 'UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE')
  })

  test('the set is kept as written', async () => assert.deepEqual((await read('5,1:*,9:7 FLAGS')).set, [5, 5, 1, 0, 9, 7]))

  test('a field name may be a literal, and what cannot be echoed is refused', async () => {
    assert.equal(await named('1 BODY.PEEK[HEADER.FIELDS ({})]', { literals: ['x y'] }), 'BODY[HEADER.FIELDS ("x y")]')
    for (const name of ['a\r\n* BYE', 'a\0', 'caf\xe9', '']) {
      await assert.rejects(read('1 BODY.PEEK[HEADER.FIELDS ({})]', { literals: [name] }), /Invalid header field name/)
    }
  })
})
