import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ledger } from '../../support/ledger.ts'
import { Tally } from '../../support/tally.ts'
import { Book, type Outcome } from './book.ts'
import { RULES } from './rules.ts'

/** Three letters in a maildrop, and a QUIT in doubt that was to delete all of them. */
function inDoubt() {
  const tally = new Tally(RULES)
  const book = new Book(tally)
  const ledger = new Ledger({ tally: new Tally(), seed: 1 })
  const tokens = [1, 2, 3].map(() => book.letter(ledger.message({ to: ['ann'], from: 'bob@outside.test' }), 'INBOX', 'done').message.token)
  const quit = (by: string, kind: 'gone' | 'hide', taken: readonly string[], outcome: Outcome) => {
    const deed = book.begin(
      by,
      'INBOX',
      taken.map((token) => ({ kind, token })),
    )
    return () => book.settle(deed, outcome)
  }
  const look = (by: string, from: number, shown: readonly string[]) => book.shown(by, { box: 'INBOX', tokens: new Set(shown), from, all: true })
  return { tally, book, tokens, quit, look }
}

test('a QUIT of which a part is there and nobody else took the rest is not whole', () => {
  const { tally, book, tokens, quit, look } = inDoubt()
  quit('a', 'gone', tokens, 'doubt')()
  look('b', book.now(), tokens.slice(1))
  assert.equal(tally.violated('whole'), 1)
})

for (const kind of ['gone', 'hide'] as const)
  test(`what the next session took as well (${kind}) says nothing of a QUIT in doubt`, () => {
    const { tally, book, tokens, quit, look } = inDoubt()
    const settle = quit('a', 'gone', tokens, 'doubt')
    // Its connection is found to be over when the next one is on its way in already.
    const from = book.now()
    settle()
    look('b', from, tokens)
    quit('b', kind, tokens.slice(0, 1), 'done')()
    look('c', book.now(), tokens.slice(1))
    assert.equal(tally.violations, 0)
  })

test('what came back after +OK, and what was told after others had found it undone, is counted', () => {
  const { tally, book, tokens, quit, look } = inDoubt()
  quit('a', 'hide', tokens.slice(0, 1), 'done')()
  look('b', book.now(), tokens)
  assert.equal(tally.violated('stays'), 1)
  const late = quit('b', 'gone', tokens.slice(1), 'done')
  look('c', book.now(), tokens.slice(1))
  late()
  assert.equal(tally.violated('whole'), 1)
})
