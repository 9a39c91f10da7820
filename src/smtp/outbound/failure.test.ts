import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure, failureOf } from './failure.ts'

test('what went wrong is told in printable ASCII, whoever found the words', () => {
  const words = "Host: mx.x.test. is not cert's CN: x\r\nAction: delivered \u00fc\n"
  const clean = "Host: mx.x.test. is not cert's CN: x Action: delivered"
  assert.equal(new Failure(words, { permanent: false, status: '4.7.5' }).said, clean)
  assert.equal(failureOf(new Error(words)).said, clean)
  assert.ok(new Failure('x'.repeat(5_000), { permanent: true, status: '5.0.0' }).said.length <= 400)
})
