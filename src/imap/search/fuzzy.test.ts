/** FUZZY: what it finds, that it loses nothing, that the index of texts changes nothing, and how results are scored. RFC 6203. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { argumentsOf } from '../../../test/support/arguments.ts'
import { keptOutput, MadeMailbox } from '../../../test/support/messages.ts'
import { seeded } from '../../../test/support/random.ts'
import { COMMANDS } from '../commands/index.ts'
import { EXTENSIONS } from '../extensions/index.ts'
import { createRegistry } from '../registry.ts'
import { No } from '../reply.ts'
import { Work } from '../work.ts'
import { OPEN_GATE } from './context.ts'
import { readCriteria } from './parse.ts'
import { type Found, runSearch } from './run.ts'

const { searchKeys } = createRegistry(COMMANDS, EXTENSIONS).tables

async function search(box: MadeMailbox, line: string, scored = true): Promise<Found> {
  const { key } = readCriteria(await argumentsOf(Buffer.from(line).toString('latin1')), searchKeys, false)
  const work = new Work({ output: keptOutput().output, ending: new AbortController().signal })
  return await runSearch({ store: box.store, selected: box.selected, gate: OPEN_GATE, work }, key, scored)
}
const mail = (subject: string, body = '', from = 'x@y'): Buffer => Buffer.from(`Subject: ${subject}\r\nFrom: ${from}\r\n\r\n${body}\r\n`)
const boxOf = (raws: readonly Buffer[], flags: readonly string[][] = []): MadeMailbox =>
  new MadeMailbox(raws.map((raw, i) => ({ uid: i + 1, raw, flags: flags[i] ?? [] })))

describe('what is found', () => {
  const box = boxOf(
    [
      mail('Budget meeting', 'see you there', 'Alice Müller <alice@example.org>'),
      mail('the meetings about our budgets', 'nothing'),
      mail('Lunch', 'the Budget, and the next meeting'),
      mail('budget', 'only'),
      mail('Re: Café', 'invoce attached', 'bob@example.org'),
      mail('Réunion', 'Besprechungsprotokoll'),
    ],
    [['\\Seen']],
  )
  for (const [line, uids] of [
    ['FUZZY SUBJECT "meeting budget"', [1, 2]],
    ['FUZZY SUBJECT "budget metting"', [1]],
    ['FUZZY SUBJECT cafe', [5]],
    ['FUZZY SUBJECT reunion', [6]],
    ['SUBJECT reunion', []],
    ['FUZZY FROM "muller alice"', [1]],
    ['FUZZY FROM mueller', [1]],
    ['FUZZY FROM alice@exmaple.org', [1]],
    ['FUZZY BODY "meeting budget"', [3]],
    ['FUZZY BODY invoice', []],
    ['FUZZY BODY besprechungsprotocoll', [6]],
    ['FUZZY TEXT "lunch budgets"', [3]],
    ['FUZZY TEXT "bob invoce"', [5]],
    ['FUZZY TEXT "subject: re"', [5, 6]],
    ['FUZZY HEADER subject "budgets meeting"', [1, 2]],
    ['FUZZY HEADER x-none ""', []],
    ['FUZZY HEADER subject ""', [1, 2, 3, 4, 5, 6]],
    ['FUZZY SUBJECT "?!"', []],
    ['FUZZY (SUBJECT budgets SUBJECT meeting)', [1, 2]],
    ['FUZZY OR SUBJECT lunches SUBJECT cafe', [3, 5]],
    // One key alone is lenient, and what is negated within one is exact.
    ['FUZZY SUBJECT budgets SUBJECT meeting', [1, 2]],
    ['FUZZY SUBJECT budgets SUBJECT meetings', [2]],
    ['FUZZY (SUBJECT budget NOT SUBJECT meetings)', [1, 4]],
    ['FUZZY NOT SUBJECT reunion', [1, 2, 3, 4, 5, 6]],
    ['NOT FUZZY SUBJECT reunion', [1, 2, 3, 4, 5]],
    ['FUZZY SEEN', [1]],
    ['FUZZY FUZZY SUBJECT cafe', [5]],
    ['FUZZY 2:3', [2, 3]],
  ] as const)
    test(line, async () => assert.deepEqual((await search(box, line)).uids, uids))
})

describe('scores', () => {
  const scoresOf = async (box: MadeMailbox, line: string): Promise<Record<number, number>> => {
    const { uids, scores } = await search(box, line)
    return Object.fromEntries(uids.map((uid, i) => [uid, scores![i]!]))
  }
  test('a phrase before words, the subject before other fields, and these before bodies', async () => {
    const raws = [
      mail('budget meeting'),
      mail('our budget meeting'),
      mail('meeting on budget'),
      mail('meetings on budgets'),
      mail('meting on bugdet'),
      mail('x', '', 'budget meeting <a@b>'),
      mail('x', 'a budget meeting'),
      mail('x', 'a meeting, a budget'),
      mail('x', 'a meeting, budgets'),
    ]
    const scores = Object.values(await scoresOf(boxOf(raws), 'FUZZY TEXT "budget meeting"'))
    assert.deepEqual(scores, [100, 90, 75, 60, 30, 77, 54, 45, 41])
  })
  test('alternatives count the best, several keys their mean, and others nothing', async () => {
    const box = boxOf([mail('alpha beta'), mail('alphas'), mail('gamma')], [[], [], ['\\Seen']])
    assert.deepEqual(await scoresOf(box, 'OR FUZZY SUBJECT alpha FUZZY SUBJECT beta'), { 1: 90, 2: 90 })
    assert.deepEqual(await scoresOf(box, 'FUZZY SUBJECT alpha FUZZY SUBJECT "beta alpha"'), { 1: 83 })
    assert.deepEqual(await scoresOf(box, 'OR SEEN FUZZY SUBJECT "beta alpha"'), { 1: 75, 3: 1 })
    assert.deepEqual(await scoresOf(box, 'OR SUBJECT gamma FUZZY BODY alpha'), { 3: 1 })
    assert.deepEqual(await scoresOf(box, 'OR SEEN FUZZY SUBJECT gamma'), { 3: 100 })
    assert.deepEqual(await scoresOf(box, 'FUZZY SEEN'), { 3: 100 })
    assert.deepEqual(await scoresOf(box, 'NOT FUZZY SUBJECT alpha'), { 3: 100 })
    assert.deepEqual(await scoresOf(box, 'FUZZY SUBJECT alpha NOT FUZZY SUBJECT beta'), { 2: 90 })
  })
})

test('nothing is lost that an exact search finds, and the index of texts changes nothing', async () => {
  const random = seeded(29)
  const one = <T>(list: readonly T[]): T => list[random(list.length)]!
  const WORDS = [
    'invoice',
    'invoices',
    'Meeting',
    'meetings',
    'Besprechung',
    'café',
    'cafe\u0301',
    'Straße',
    '会議',
    'x',
    '2024',
    'alphabet',
    'alphabte',
    '-',
    'ΟΔΟΣ',
  ]
  const text = (words: number): string => Array.from({ length: words }, () => one(WORDS)).join(one([' ', ', ', '']))
  const raws = Array.from({ length: 150 }, () =>
    Buffer.from(
      `Subject: =?utf-8?b?${Buffer.from(text(3)).toString('base64')}?=\r\nFrom: ${one(['anna', 'ben'])}@example.org\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text(4)}\r\n`,
    ),
  )
  const [blind, seeing] = [boxOf(raws), boxOf(raws)]
  for (let uid = 1; uid <= raws.length; uid++) if (random(4) > 0) seeing.indexed.add(uid)
  let lenient = 0
  for (let i = 0; i < 120; i++) {
    const key = `${one(['SUBJECT', 'BODY', 'TEXT', 'FROM', 'HEADER Subject'])} "${random(3) > 0 ? text(1 + random(2)) : text(2).slice(random(3), 9)}"`
    const line = random(4) > 0 ? key : `(${key} NOT SUBJECT "${one(WORDS)}")`
    const exact = await search(blind, line)
    const found = await search(blind, `FUZZY ${line}`)
    assert.deepEqual(
      exact.uids.filter((uid) => !found.uids.includes(uid)),
      [],
      line,
    )
    assert.deepEqual(await search(seeing, `FUZZY ${line}`), found, line)
    assert.deepEqual((await search(seeing, `FUZZY ${line}`, false)).uids, found.uids, 'scores change nothing')
    assert.deepEqual((await search(seeing, `OR SEEN FUZZY ${line}`)).uids, found.uids)
    assert.ok(found.scores!.every((score) => Number.isInteger(score) && score >= 1 && score <= 100))
    if (found.uids.length > exact.uids.length) lenient++
  }
  assert.ok(lenient > 30, String(lenient))
})

test('the index spares reading', async () => {
  const raws = Array.from({ length: 400 }, (_, i) => mail(`number ${i}`, i === 7 ? 'the quarterly invoices' : 'lorem ipsum dolor'))
  const box = boxOf(raws)
  for (let uid = 1; uid <= raws.length; uid++) box.indexed.add(uid)
  assert.deepEqual((await search(box, 'FUZZY TEXT "invoice quartrely"')).uids, [8])
  const read = new Set(box.asked.flatMap(({ ids }) => ids))
  assert.ok(read.size < 40, String(read.size))
})

test('how much may be asked for', async () => {
  const words = 'alpha beta gamma delta epsilon zeta eta theta'
  const many = (n: number): string => Array.from({ length: n }, () => `FUZZY SUBJECT "${words}"`).join(' ')
  const box = boxOf([mail(words)])
  assert.deepEqual((await search(box, many(8))).uids, [1])
  await assert.rejects(search(box, many(9)), No)
  // Words beyond the eighth rule nothing out.
  assert.deepEqual((await search(box, `FUZZY SUBJECT "${words} omega"`)).uids, [1])
})
