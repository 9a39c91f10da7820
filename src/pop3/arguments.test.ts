import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageNumber, noArgument, numberAndLines, optionalNumber } from './arguments.ts'
import { Bad } from './reply.ts'

const NUMBERS: [argument: string, number: number | undefined][] = [
  ['1', 1],
  ['1 ', 1],
  ['0', 0],
  ['007', 7],
  ['2147483648', 2 ** 31],
  ['18446744073709551616', Number.MAX_SAFE_INTEGER],
  [`${'9'.repeat(8000)}`, Number.MAX_SAFE_INTEGER],
  [`${'0'.repeat(8000)}3`, 3],
  ['', undefined],
  ['-1', undefined],
  ['+1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['0x10', undefined],
  ['1 2', undefined],
  ['one', undefined],
  ['١', undefined],
  ['1\0', undefined],
]
for (const [argument, number] of NUMBERS)
  test(`message number ${JSON.stringify(argument.slice(0, 30))}`, () => {
    if (number === undefined) assert.throws(() => messageNumber(argument), Bad)
    else assert.equal(messageNumber(argument), number)
  })

test('a number that may be missing', () => {
  assert.equal(optionalNumber(''), undefined)
  assert.equal(optionalNumber(' '), undefined)
  assert.equal(optionalNumber('3'), 3)
  assert.throws(() => optionalNumber('x'), Bad)
})

test('TOP takes two numbers', () => {
  assert.deepEqual(numberAndLines('1 0'), { message: 1, lines: 0 })
  assert.deepEqual(numberAndLines('12 34 '), { message: 12, lines: 34 })
  for (const argument of ['', '1', '1 ', ' 1', '1 -1', '1 2 3', '1  2']) assert.throws(() => numberAndLines(argument), Bad, argument)
})

test('no argument', () => {
  noArgument('')
  noArgument('  ')
  assert.throws(() => noArgument('x'), Bad)
})
