import assert from 'node:assert/strict'
import test from 'node:test'
import { Refusal, Unavailable } from '../store/errors.ts'
import { hasEnhancedCode, MAX_REPLY_TEXT, Reply, replyTo, sanitise } from './reply.ts'

test('what the client is told of an error', () => {
  const disk = Object.assign(new Error('x'), { code: '53100' })
  for (const [err, line] of [
    [new Reply(550, '5.1.1', 'No such user here'), '550 5.1.1 No such user here'],
    [new Unavailable('10.0.0.1 refused'), '451 4.3.0 The mail store cannot be reached now, try again later'],
    [new Refusal('too-big', 'x'), '552 5.3.4 The message is too big'],
    [new Refusal('over-quota', 'x'), '452 4.2.2 The mailbox is full'],
    [new Refusal('limit', 'x'), '452 4.3.1 A limit of the mailbox is reached'],
    [new Refusal('gone', 'x'), '451 4.2.0 The mailbox cannot take mail now'],
    [disk, '452 4.3.1 No room on the server now, try again later'],
    [new Error('wrapped', { cause: disk }), '452 4.3.1 No room on the server now, try again later'],
    [Object.assign(new Error('x'), { code: 'ENOSPC' }), '452 4.3.1 No room on the server now, try again later'],
    [new TypeError('undefined is not a function'), '451 4.3.0 Internal error, try again later'],
    ['thrown text', '451 4.3.0 Internal error, try again later'],
    [undefined, '451 4.3.0 Internal error, try again later'],
  ] as const) {
    assert.equal(replyTo(err).line, line)
  }
})

test('an error that causes itself', () => {
  const err = new Error('loop')
  err.cause = err
  assert.equal(replyTo(err).responseCode, 451)
})

test('words from elsewhere', () => {
  assert.equal(sanitise('a\r\n250 ok\x1b[31m\u0000ü b'), 'a 250 ok [31m  b')
  assert.equal(sanitise('  x  '), 'x')
  assert.ok(sanitise('y'.repeat(10_000)).length <= MAX_REPLY_TEXT)
})

test('enhanced codes', () => {
  for (const text of ['5.7.1 no', '2.0.0', '4.4.2 x']) assert.ok(hasEnhancedCode(text))
  for (const text of ['Error: x', '5.7 no', '3.0.0 x', '5.7.1no', '5.7777.1 x', '']) assert.ok(!hasEnhancedCode(text))
})
