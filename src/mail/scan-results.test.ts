import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scanResult, withoutScanResults } from './scan-results.ts'

test('one line where it fits, more where it does not', () => {
  assert.equal(scanResult(['clamav', 'clean']), 'X-Postern-Scan: clamav; clean\r\n')
  const many = scanResult(['rspamd', 'add header', 'score=7.10/15.00', ...new Array<string>(20).fill('BAYES_SPAM(5.10)')])
  assert.ok(many.split('\r\n').length > 4)
  assert.ok(many.split('\r\n').every((line) => line.length <= 76 && (line === '' || /^(?:X-Postern-Scan: |\t)\S/.test(line))))
  assert.ok(scanResult(['x'.repeat(200)]).startsWith('X-Postern-Scan:\r\n\tx'))
})

test('what is written in its name goes, however it is written', () => {
  const strip = (text: string): string => withoutScanResults(Buffer.from(text, 'latin1')).toString('latin1')
  const plain = Buffer.from('Subject: x\r\n\r\n')
  assert.equal(withoutScanResults(plain), plain)
  assert.equal(strip('A: 1\r\nX-Postern-Scan: clamav;\r\n clean\r\nB: 2\r\n\r\n'), 'A: 1\r\nB: 2\r\n\r\n')
  assert.equal(strip('x-POSTERN-scan \t: a\r\nB: 2\r\nX-Postern-Scan:\r\n\r\n'), 'B: 2\r\n\r\n')
  assert.equal(strip('X-Postern-Scan: a\nB: 2\nX-Postern-Scan\n : b\n\n'), 'B: 2\n\n')
  const about = 'Subject: X-Postern-Scan: is a field\r\nX-Postern-Scanner: a\r\n\r\n'
  assert.equal(strip(about), about)
})
