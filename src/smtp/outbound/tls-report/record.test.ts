import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../../../test/support/random.ts'
import { mailAddress, reportAddresses, webAddress } from './record.ts'

test('the record: one of its kind, with addresses that can be told something', () => {
  const one = 'mailto:tls@x.test'
  const two = 'https://x.test/v1?a=b'
  for (const [records, addresses] of [
    [['v=TLSRPTv1; rua=mailto:tls@x.test'], [one]],
    [['v=TLSRPTv1;rua=mailto:tls@x.test;'], [one]],
    [['v=TLSRPTv1; rua = mailto:tls@x.test , https://x.test/v1?a=b; more=1'], [one, two]],
    [
      ['v=spf1 -all', `v=TLSRPTv1; rua=${two},${two},ftp://x.test,mailto:,${one}`],
      [two, one],
    ],
    [[`v=TLSRPTv1; rua=${Array.from({ length: 9 }, (_, i) => `mailto:a${i}@x.test`).join()}`], [0, 1, 2, 3].map((i) => `mailto:a${i}@x.test`)],
    [['v=TLSRPTv1; rua=mailto:a@x.test', 'v=TLSRPTv1; rua=mailto:b@x.test'], []],
    [['v=TLSRPTv1; rua=mailto:a@x.test; rua=mailto:b@x.test'], []],
    [['v=TLSRPTv2; rua=mailto:a@x.test'], []],
    [['V=tlsrptv1; rua=mailto:a@x.test'], []],
    [['rua=mailto:a@x.test; v=TLSRPTv1'], []],
    [[`v=TLSRPTv1; rua=mailto:${'a'.repeat(2_000)}@x.test`], []],
    [['v=TLSRPTv1;'], []],
    [['v=TLSRPTv1'], []],
    [[], []],
  ] as const)
    assert.deepEqual(reportAddresses(records), addresses, records.join(' | '))
})

test('addresses: none that writes a header, none that leads elsewhere than it says', () => {
  const to = (address: string) => ({ address, domain: 'x.test' })
  assert.deepEqual(mailAddress('mailto:A@X.test'), to('A@x.test'))
  assert.deepEqual(mailAddress('MAILTO:a%2Bb@x.test?subject=hi&bcc=c@y.test'), to('a+b@x.test'))
  for (const wrong of [
    'mailto:a',
    'mailto:a@',
    'mailto:a%0d%0aBcc:b@x.test',
    'mailto:a@x.test,b@x.test',
    'mailto:%ff@x.test',
    'mailto:ä@x.test',
    'mailto:a@[192.0.2.1]',
  ])
    assert.equal(mailAddress(wrong), undefined, wrong)
  assert.deepEqual(webAddress('https://Reports.x.test/a/../b?c=d#e'), { host: 'reports.x.test', path: '/b?c=d' })
  assert.deepEqual(webAddress('https://x.test'), { host: 'x.test', path: '/' })
  for (const wrong of [
    ...[
      'http://x.test/',
      'https://x.test:25/',
      'https://a:b@x.test/',
      'https://192.0.2.1/',
      'https://[::1]/',
      'https://0x7f.1/',
      'https://localhost/',
    ],
    ...['https://', 'https:x.test', 'file:///etc/passwd', 'https://2130706433/'],
  ])
    assert.equal(webAddress(wrong), undefined, wrong)
})

test('random records: what is taken is an address of one line', () => {
  const upTo = seeded(8460)
  const pieces = [
    ...[
      'v=TLSRPTv1',
      ';',
      ' ',
      'rua',
      '=',
      ',',
      'mailto:',
      'https://',
      'a',
      '@',
      'x.test',
      '/',
      '?',
      '#',
      ':',
      '%0d%0a',
      '%00',
      '%',
      '"',
      '<',
      '>',
      '\r\n',
    ],
    ...['\0', 'ä', '%C3%A4', '[::1]', '127.0.0.1', '..', '\\', '!10m', 'xn--', '\ud800'],
  ]
  let taken = 0
  for (let i = 0; i < 20_000; i++) {
    const record = `v=TLSRPTv1; rua=${upTo(2) ? 'mailto:a' : 'https://x.test'}${Array.from({ length: upTo(8) }, () => pieces[upTo(pieces.length)]).join('')}`
    for (const uri of reportAddresses([record])) {
      taken++
      const mail = mailAddress(uri)
      const web = webAddress(uri)
      assert.ok((mail === undefined) !== (web === undefined), record)
      if (mail) assert.match(mail.address, /^[\x21-\x7e]+@[a-z0-9.-]+$/, record)
      if (web) assert.match(`${web.host} ${web.path}`, /^[a-z0-9._-]+ \/[\x21-\x7e]*$/, record)
    }
  }
  assert.ok(taken > 1_000, String(taken))
})
