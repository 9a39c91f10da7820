import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arcChainOf } from './arc-chain.ts'

const chain = (text: string) => arcChainOf(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'))

test('the fields of a chain, in the order that a seal covers them, however they stand', () => {
  const { highest, saysFail, fields } = chain(
    'ARC-Seal: cv=none; a=x; i=1; b=\nSubject: x\narc-message-signature: a=x;\n\ti = 2; b=\nARC-Authentication-Results:\n i=2; a.test; none\n' +
      'ARC-Authentication-Results: i=1; a.test; spf=pass smtp.mailfrom=i=3;\nARC-Seal: i=2; cv=pass; b=\nARC-Message-Signature: i=1; b=\n\nARC-Seal: i=9;\n',
  )
  assert.deepEqual([highest, saysFail], [2, false])
  assert.deepEqual(
    fields.map((text) => text.replaceAll(/\s+/g, ' ').trim()),
    [
      'ARC-Authentication-Results: i=1; a.test; spf=pass smtp.mailfrom=i=3;',
      'ARC-Message-Signature: i=1; b=',
      'ARC-Seal: cv=none; a=x; i=1; b=',
      'ARC-Authentication-Results: i=2; a.test; none',
      'arc-message-signature: a=x; i = 2; b=',
      'ARC-Seal: i=2; cv=pass; b=',
    ],
  )
})

test('instances that are none, and a chain that says that it failed', () => {
  assert.equal(chain('ARC-Seal: i=0; cv=fail\nARC-Seal: i=51; cv=fail\nARC-Seal: i=x\nARC-Seal: i=100;\nARC-Seal: hi=3\nARC-Seal:').highest, 0)
  assert.deepEqual(chain('ARC-Seal: i=50; cv=FAIL').saysFail, true)
  assert.deepEqual(chain('ARC-Seal: cv = fail; i=2; b=x\nARC-Seal: i=1; cv=none').saysFail, true)
  assert.deepEqual(chain('ARC-Seal: i=2; cv=pass; b=x\nARC-Seal: i=1; cv=fail').saysFail, false)
  assert.deepEqual(chain('ARC-Seal: i=2; xcv=fail; cv=failed').saysFail, false)
})

test('a block of the largest size takes no time, whatever it is made of', () => {
  const started = performance.now()
  for (const piece of ['i', ';', ' ', '(', '()', 'i=', '; ', 'i=1', '( ) ', '\r\n\t', 'ARC-Seal: i=1;\r\n'])
    chain(`ARC-Seal: ${piece.repeat(262_144 / piece.length)}`)
  assert.ok(performance.now() - started < 2_000, `${performance.now() - started} ms`)
})
