import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDate } from './date.ts'
import { firstField } from './header.ts'
import { formatReceived, type Hop } from './received.ts'

const hop: Hop = {
  helo: 'client.example',
  remote: '192.0.2.1',
  by: 'mx.example.org',
  protocol: 'ESMTPS',
  id: 'abc123',
  time: Date.parse('2026-01-01T00:00:00Z'),
}

test('a Received line', () => {
  assert.equal(
    formatReceived({ ...hop, reverse: 'host.example', recipient: 'ann@example.org', tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384' }),
    'Received: from client.example (host.example [192.0.2.1]) by mx.example.org\r\n' +
      '\twith ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id abc123 for <ann@example.org>;\r\n' +
      '\tThu, 01 Jan 2026 00:00:00 +0000\r\n',
  )
  assert.equal(
    formatReceived({ ...hop, remote: '2001:db8::1' }),
    'Received: from client.example ([IPv6:2001:db8::1]) by mx.example.org with\r\n\tESMTPS id abc123; Thu, 01 Jan 2026 00:00:00 +0000\r\n',
  )
})

test('an address that is not to be told', () => {
  assert.equal(
    formatReceived({ ...hop, remote: undefined, reverse: 'host.example' }),
    'Received: from client.example by mx.example.org with ESMTPS id abc123;\r\n\tThu, 01 Jan 2026 00:00:00 +0000\r\n',
  )
})

test('nothing from outside makes a line of its own', () => {
  const nasty = 'a\r\nX-Evil: 1\r\n\r\nbody (x) "y" ; é\0'
  const line = formatReceived({ ...hop, helo: nasty, remote: nasty, reverse: nasty, by: nasty, id: nasty, recipient: nasty, tls: nasty })
  assert.match(line, /^Received: (?:[\x20-\x7e]+\r\n\t)*[\x20-\x7e]+\r\n$/)
  assert.ok(parseDate(firstField(Buffer.from(line), 'received')!.split(';').at(-1)!))
  assert.ok(!line.includes('for '))
  assert.match(formatReceived({ ...hop, helo: '' }), /from unknown \(/)
})

test('the recipient is named where it may be', () => {
  assert.match(formatReceived({ ...hop, recipient: 'jürgen@example.org', protocol: 'UTF8SMTPS' }), /for <jürgen@example\.org>;/)
  for (const recipient of ['jürgen@example.org', '"a b"@example.org', 'a>b@example.org', `${'a'.repeat(300)}@example.org`])
    assert.ok(!formatReceived({ ...hop, recipient }).includes('for <'))
})

test('lines are short', () => {
  for (let n = 1; n < 70; n++) {
    const lines = formatReceived({
      ...hop,
      helo: 'h'.repeat(n),
      reverse: 'r'.repeat(70 - n),
      recipient: `${'a'.repeat(n)}@example.org`,
      tls: 'TLSv1.3',
    }).split('\r\n')
    assert.equal(lines.pop(), '')
    for (const line of lines) assert.ok(line.trim() !== '' && (line.length <= 78 || !line.trim().includes(' ')), line)
  }
})
