import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Dsn, type DsnRecipient, formatDsn } from './dsn.ts'

const RECIPIENT: DsnRecipient = { address: 'bob@them.test', action: 'failed', status: '5.1.1', said: '550 no', remote: 'mx.them.test' }
const DSN: Dsn = {
  ...{ hostname: 'us.test', from: 'MAILER-DAEMON@us.test', to: 'ann@us.test', messageId: '1@us.test', boundary: 'b', date: 0, arrived: 0 },
  header: Buffer.from('Subject: x\r\n\r\n'),
  recipients: [RECIPIENT],
}
const fieldsOf = (more: Partial<Dsn>): string[] => {
  const [, fields = ''] = formatDsn({ ...DSN, ...more })
    .toString()
    .split(/Content-Type: message\/[a-z-]*delivery-status\r\n/)
  return fields.slice(0, fields.indexOf('--b')).split('\r\n')
}

test('ENVID and ORCPT are told as they were meant, not as xtext', () => {
  const fields = fieldsOf({ envelopeId: 'QQ+2B31+3D4+20a', recipients: [{ ...RECIPIENT, original: 'rfc822;Bob+2Btag@them.test' }] })
  assert.ok(fields.includes('Original-Envelope-Id: QQ+31=4 a'), fields.join('\n'))
  assert.ok(fields.includes('Original-Recipient: rfc822;Bob+tag@them.test'), fields.join('\n'))
})

test('nothing that xtext hides begins a line, or stands in it that is not to be seen', () => {
  const fields = fieldsOf({ envelopeId: 'a+0D+0AAction:+20delivered+00', recipients: [{ ...RECIPIENT, original: 'rfc822;b+0A+0D+E4@x' }] })
  assert.ok(fields.includes('Original-Envelope-Id: a+0D+0AAction: delivered+00'), fields.join('\n'))
  assert.ok(fields.includes('Original-Recipient: rfc822;b+0A+0D+E4@x'), fields.join('\n'))
  assert.equal(fields.filter((line) => line.startsWith('Action:')).length, 1)
})

test('no line has more than 998 octets, whatever the header had and the other side said', () => {
  const header = `To: ${'a@b.test, '.repeat(200)}c@d.test\r\nSubject: x\r\n`
  const said = `550 ${'y'.repeat(3_000)} z`
  for (const [more, encoding] of [
    ['', undefined],
    [`X-Token: ${'t'.repeat(1_500)}\r\n`, 'quoted-printable'],
    [`X-Token: \xc3\xa9 ${'t'.repeat(1_500)}\r\n`, 'quoted-printable'],
  ] as const) {
    const text = formatDsn({ ...DSN, header: Buffer.from(`${header}${more}\r\n`, 'latin1'), recipients: [{ ...RECIPIENT, said }] }).toString('latin1')
    for (const line of text.split('\r\n')) assert.ok(line.length <= 998, line.slice(0, 80))
    const part = text.slice(text.lastIndexOf('--b\r\n'))
    assert.equal(/Content-Transfer-Encoding: (.*)\r\n/.exec(part)?.[1], encoding)
    const decoded = encoding ? part.replaceAll('=\r\n', '').replaceAll('=C3=A9', '\xc3\xa9') : part
    assert.ok(decoded.replaceAll('\r\n ', ' ').includes(`\r\n\r\n${header}${more}\r\n`), part)
  }
})

test('a whole message stands as it is, octet for octet, and says that it has 8-bit; one with a line that is too long is shown by its header', () => {
  const partOf = (whole: string, more: Partial<Dsn> = {}): [head: string, body: string, top: string] => {
    const text = formatDsn({ ...DSN, whole: Buffer.from(whole, 'latin1'), ...more }).toString('latin1')
    const part = text.slice(text.lastIndexOf('--b\r\n') + 5, text.indexOf('\r\n--b--'))
    const at = part.indexOf('\r\n\r\n')
    return [part.slice(0, at), part.slice(at + 4), text.slice(0, text.indexOf('\r\n\r\n'))]
  }
  const plain = 'Subject: x\r\n\r\n--c\r\n.\r\n'
  assert.deepEqual(partOf(plain).slice(0, 2), ['Content-Type: message/rfc822', plain])
  assert.doesNotMatch(partOf(plain)[2], /8bit/)
  const [head, body, top] = partOf(`${plain}na\xefve\r\n`)
  assert.deepEqual([head, body], ['Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit', `${plain}na\xefve\r\n`])
  assert.match(top, /\r\nContent-Transfer-Encoding: 8bit$/)
  const header = Buffer.from('Subject: \xc3\xa9\r\n\r\n', 'latin1')
  assert.equal(partOf(plain, { header })[0], 'Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit')
  assert.deepEqual(partOf(`${plain}${'y'.repeat(999)}\r\n`).slice(0, 2), ['Content-Type: text/rfc822-headers', 'Subject: x\r\n\r\n'])
})
