import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticationResults, withoutResultsOf } from './auth-results.ts'

const OWN = 'mx.example.org'
const strip = (text: string): string => withoutResultsOf(OWN, Buffer.from(text, 'latin1')).toString('latin1')

test('fields in the name of this server go, however they are written', () => {
  const forged = [
    'Authentication-Results: mx.example.org; spf=pass\r\n',
    'AUTHENTICATION-RESULTS:MX.EXAMPLE.ORG;spf=pass\r\n',
    'authentication-results \t:\r\n\tmx.example.org 1;\r\n dkim=pass\r\n',
    'Authentication-Results\r\n : mx.example.org; dkim=pass\r\n',
    'Authentication-Results: (a (nested \\) one)) (and\r\n another) mx.example.org (c); dkim=pass\r\n',
    'Authentication-Results: "mx.example.org"; dkim=pass\r\n',
    'Authentication-Results: "mx\\.example.org"; dkim=pass\r\n',
    'Authentication-Results: mx.example.org.; dkim=pass\r\n',
    'Authentication-Results: mx.example.org/1; dkim=pass\r\n',
    'Authentication-Results: \xef\xbd\x8d\xef\xbd\x98.example.org; dkim=pass\r\n',
    'Authentication-Results: mx.example.org\r\n',
    'Authentication-Results: mx.example.org(x); dkim=pass\r\n',
    // Whose these are nobody can tell.
    'Authentication-Results: (open mx.example.org; dkim=pass\r\n',
    'Authentication-Results: "mx.example.org; dkim=pass\r\n',
    'Authentication-Results: ; dkim=pass\r\n',
    'Authentication-Results:\r\n',
  ]
  for (const field of forged) {
    assert.equal(strip(`A: 1\r\n${field}B: 2\r\n\r\n`), 'A: 1\r\nB: 2\r\n\r\n', JSON.stringify(field))
    assert.equal(strip(`${field}${field}B: 2\r\n\r\n`), 'B: 2\r\n\r\n')
    assert.equal(strip(`B: 2\r\n${field}`), 'B: 2\r\n')
  }
})

test('all else stays, octet by octet', () => {
  const text = [
    'Authentication-Results: other.example.org; spf=pass (mx.example.org: fine)\r\n',
    'Authentication-Results: (mx.example.org) other; spf=pass\r\n',
    'Authentication-Results: amx.example.org; spf=pass\r\n',
    'Authentication-Results: mx.example.org.evil.example; spf=pass\r\n',
    'ARC-Authentication-Results: i=1; mx.example.org; spf=pass\r\n',
    'X-Authentication-Results: mx.example.org; spf=pass\r\n',
    'Subject: Authentication-Results: mx.example.org\r\n',
    'no field \xff at all\r\n\r\n',
  ].join('')
  const block = Buffer.from(text, 'latin1')
  assert.equal(withoutResultsOf(OWN, block), block)
})

test('a block of the largest size takes no time, whatever it is made of', () => {
  const started = performance.now()
  for (const piece of ['Authentication-Results: (\r\n', '(', '"\\', ' ', '\\', ';', 'Authentication-Results:', 'Authentication-Results: x;\r\n'])
    strip(`Authentication-Results: ${piece.repeat(262_144 / piece.length)}`)
  assert.ok(performance.now() - started < 2_000)
})

test('values that are no token are quoted, and none breaks its line', () => {
  const field = authenticationResults(OWN, [
    { method: 'spf', result: 'pass', properties: { 'smtp.mailfrom': 'a.test', 'smtp.helo': undefined } },
    { method: 'dkim', result: 'fail', comment: 'a) b\r\nX: y', properties: { 'header.d': 'x"\r\nBcc: y', 'header.s': 'x'.repeat(300) } },
  ])
  assert.equal(
    field,
    'Authentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom=a.test;\r\n\tdkim=fail (a  b X: y) header.d="x\\" Bcc: y"\r\n',
  )
  assert.equal(authenticationResults(OWN, []), 'Authentication-Results: mx.example.org;\r\n\tnone\r\n')
})
