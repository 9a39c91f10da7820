import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { argumentsOf } from '../../../test/support/arguments.ts'
import { Bad, No } from '../reply.ts'
import { BODY, HEADER, type SearchKey } from './key.ts'
import { SEARCH_KEYS } from './keys.ts'
import { readSearch } from './parse.ts'

async function read(line: string, literals: (string | Buffer)[] = []): Promise<SearchKey> {
  const r = await argumentsOf(line, literals)
  const { criteria } = readSearch(r, { searchKeys: SEARCH_KEYS, searchReturns: new Map(), fetchItems: new Map() })
  r.end()
  if (criteria instanceof No) throw criteria
  return criteria.key
}

const NAMES = new Map([...SEARCH_KEYS].flatMap(([name, key]) => (typeof key === 'function' ? [] : [[key, name.toLowerCase()] as const])))
/** The shape of a tree: leaves by their name where it says all, else by what they cost. */
function shape(key: SearchKey): string {
  const name = NAMES.get(key)
  if (name) return name
  if (key.kind === 'test') return key.cost === BODY ? 'body' : key.cost === HEADER ? 'header' : 'index'
  if (key.kind === 'not') return `!${shape(key.key)}`
  return `(${key.keys.map(shape).join(key.kind === 'and' ? ' & ' : ' | ')})`
}

const GOOD: [line: string, expected: string][] = [
  ['ALL', 'all'],
  ['all', 'all'],
  ['ANSWERED DELETED DRAFT FLAGGED NEW OLD RECENT SEEN', '(answered & deleted & draft & flagged & new & old & recent & seen)'],
  ['UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN', '(unanswered & undeleted & undraft & unflagged & unseen)'],
  ['NOT SEEN', '!seen'],
  ['NOT NOT SEEN', 'seen'],
  ['NOT NOT NOT SEEN', '!seen'],
  ['OR SEEN FLAGGED', '(seen | flagged)'],
  ['OR SEEN OR FLAGGED OR DRAFT DELETED', '(seen | flagged | draft | deleted)'],
  ['OR OR SEEN FLAGGED DRAFT', '((seen | flagged) | draft)'],
  ['OR NOT SEEN NOT FLAGGED ANSWERED', '((!seen | !flagged) & answered)'],
  ['(SEEN)', 'seen'],
  ['(SEEN FLAGGED) DRAFT', '((seen & flagged) & draft)'],
  ['OR (SEEN FLAGGED) (NOT (DRAFT))', '((seen & flagged) | !draft)'],
  ['1:5,7 *', '(index & index)'],
  ['OR 1:5 UID 7:*', '(index | index)'],
  ['KEYWORD work UNKEYWORD $Junk', '(index & !index)'],
  ['LARGER 0 SMALLER 4294967295', '(index & index)'],
  ['BEFORE 1-Feb-2020 ON "2-Feb-2020" SINCE 03-feb-2020', '(index & (!index & index) & !index)'],
  ['SENTBEFORE 1-Feb-2020 SENTON 2-Feb-2020 SENTSINCE 3-Feb-2020', '(header & header & header)'],
  ['FROM a TO "b c" CC "" BCC x SUBJECT NIL', '(header & header & header & header & header)'],
  ['HEADER X-Some-Field value HEADER "Message-ID" ""', '(header & header)'],
  ['BODY x', 'body'],
  ['TEXT x', '(header | body)'],
  ['BODY "" TEXT ""', '(all & all)'],
  ['CHARSET UTF-8 SEEN', 'seen'],
  ['CHARSET us-ascii SEEN FROM x', '(seen & header)'],
]

const WRONG: [line: string, error: typeof Bad | typeof No, text: RegExp, code?: string][] = [
  ['', Bad, /No search keys/],
  ['()', Bad, /No search keys/],
  ['NONSENSE', Bad, /Unknown search key/],
  ['NOT', Bad, /Missing search key/],
  ['OR SEEN', Bad, /Missing search key/],
  ['FROM', Bad, /Missing argument/],
  ['HEADER From', Bad, /Missing argument/],
  ['"SEEN"', Bad, /Unknown search key/],
  ['FROM (x)', Bad, /Invalid string/],
  ['KEYWORD \\Seen', Bad, /Invalid/],
  ['LARGER x', Bad, /Invalid number/],
  ['LARGER -1', Bad, /Invalid number/],
  ['SMALLER 4294967296', Bad, /Invalid number/],
  ['ON 31-Feb-2020', Bad, /Invalid date/],
  ['ON 2020-01-01', Bad, /Invalid date/],
  ['UID x', Bad, /number set/],
  ['0', Bad, /number set/],
  ['1:', Bad, /number set/],
  ['CHARSET', Bad, /Missing argument/],
  ['CHARSET UTF-8', Bad, /No search keys/],
  ['CHARSET KOI8-R FROM x', No, /charset/, 'BADCHARSET (US-ASCII UTF-8)'],
  ['RETURN (MIN) ALL', Bad, /Unknown search key/],
  ['$', Bad, /Unknown search key/],
  [Array.from({ length: 1001 }, () => 'SEEN').join(' '), No, /Too many search keys/, 'LIMIT'],
  [Array.from({ length: 51 }, (_, i) => `BODY x${i}`).join(' '), No, /Too many texts/, 'LIMIT'],
  [`SUBJECT ${'x'.repeat(5000)}`, No, /too long/, 'LIMIT'],
]

describe('readSearch', () => {
  for (const [line, expected] of GOOD) test(line, async () => assert.equal(shape(await read(line)), expected))
  for (const [line, kind, text, code] of WRONG) {
    test(`refuses ${line.slice(0, 50)}`, async () => {
      await assert.rejects(read(line), (err) => {
        assert.ok(err instanceof kind)
        assert.match(err.message, text)
        if (code) assert.equal((err as No).code?.join(' '), code)
        return true
      })
    })
  }

  test('a long chain of ORs is one OR; a deep one on the left is refused', async () => {
    const chain = await read(`${Array.from({ length: 400 }, (_, i) => `OR LARGER ${i}`).join(' ')} SEEN`)
    assert.ok(chain.kind === 'or' && chain.keys.length === 401)
    await assert.rejects(
      read(`${Array.from({ length: 60 }, () => 'OR').join(' ')} ${Array.from({ length: 61 }, () => 'SEEN').join(' ')}`),
      /nested too deeply/,
    )
  })

  test('thousands of NOTs do no harm', async () => {
    await assert.rejects(read(`${Array.from({ length: 9_000 }, () => 'NOT').join(' ')} SEEN SEEN SEEN FOO`), /Unknown search key/)
  })

  test('texts: UTF-8 where announced and where not, Latin-1 only where not', async () => {
    const utf8 = Buffer.from('Grüße')
    const latin1 = Buffer.from('Grüße', 'latin1')
    assert.equal(shape(await read('CHARSET UTF-8 SUBJECT {}', [utf8])), 'header')
    assert.equal(shape(await read('SUBJECT {}', [utf8])), 'header')
    assert.equal(shape(await read('SUBJECT {}', [latin1])), 'header')
    await assert.rejects(read('CHARSET UTF-8 SUBJECT {}', [latin1]), /not valid in its charset/)
  })
})
