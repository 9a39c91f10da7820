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

test('the name of a host is what the DNS says: it may hold anything, and begins no line', () => {
  const { remote } = new Failure('no', { permanent: true, status: '5.4.4', remote: 'mx\r\nAction: delivered\0.x.test' })
  assert.equal(remote, 'mx Action: delivered .x.test')
})
