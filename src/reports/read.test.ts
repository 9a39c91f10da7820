/** Messages with reports as they are sent, and as they are not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { dmarcXml, reportMail, SHAPES, TLS_SHAPES, tlsJson, tlsPolicy, zip } from '../../test/support/reports.ts'
import { packed, reportMail as sentMail } from '../smtp/outbound/tls-report/report.ts'
import { DmarcReader } from './dmarc.ts'
import { readReports } from './read.ts'

const read = (mail: Parameters<typeof reportMail>[0]) => readReports(Buffer.from(reportMail(mail), 'latin1'))
const attach = (data: Buffer | string, type = 'application/gzip') => read({ attached: [{ type, data: Buffer.from(data as Buffer) }] })
const reasons = async (data: Buffer | string, type?: string): Promise<string> => {
  const { reports, unread } = await attach(data, type)
  assert.deepEqual(reports, [])
  return unread.join('; ')
}

describe('DMARC reports, however they are packed', () => {
  const xml = dmarcXml({
    records: [
      { ip: '203.0.113.5', count: 3 },
      { ip: '203.0.113.5', count: 4 },
      {
        ip: '2001:0DB8::0:1',
        count: 2,
        dkim: 'fail',
        spf: 'fail',
        disposition: 'reject',
        path: 'other.test pass',
        signatures: ['a.test pass', 'b.test fail'],
      },
      { ip: '198.51.100.9', count: 1, spf: 'fail', reason: 'forwarded' },
    ],
  })
  for (const [name, shape] of Object.entries(SHAPES))
    test(name, async () => {
      const { reports, unread } = await read(shape(xml))
      assert.deepEqual(unread, [])
      const [report] = reports
      assert.equal(reports.length, 1)
      assert.deepEqual(report && { ...report, began: 0, ended: 0 }, {
        ...{ kind: 'dmarc', domain: 'example.test', id: '1234', org: 'google.com', began: 0, ended: 0, policy: 'p=reject' },
        rows: [
          {
            source: '203.0.113.5',
            count: 7,
            disposition: 'none',
            dkim: true,
            spf: true,
            override: '',
            from: 'example.test',
            signed: 'example.test=pass',
            path: 'example.test=pass',
          },
          {
            source: '2001:db8::1',
            count: 2,
            disposition: 'reject',
            dkim: false,
            spf: false,
            override: '',
            from: 'example.test',
            signed: 'a.test=pass b.test=fail',
            path: 'other.test=pass',
          },
          {
            source: '198.51.100.9',
            count: 1,
            disposition: 'none',
            dkim: true,
            spf: false,
            override: 'forwarded',
            from: 'example.test',
            signed: 'example.test=pass',
            path: 'example.test=fail',
          },
        ],
      })
      assert.equal(report!.ended - report!.began, 86_399_000)
    })

  test('of RFC 9990, with a namespace and a prefix', async () => {
    const newer = dmarcXml({
      attributes: ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"',
      version: '<version>1.0</version>',
      records: [{ disposition: 'pass' }],
    })
    const prefixed = newer.replace('xmlns=', 'xmlns:d=').replace(/<(\/?)(\w)/g, '<$1d:$2')
    for (const one of [newer, prefixed]) {
      const { reports, unread } = await attach(gzipSync(one))
      assert.deepEqual([unread, reports[0]?.kind === 'dmarc' && reports[0].rows[0]?.disposition], [[], 'pass'])
    }
  })

  test('in other encodings', async () => {
    const spanish = dmarcXml({ org: 'Añejo' })
    const latin1 = Buffer.from(spanish.replace('UTF-8', 'windows-1252'), 'latin1')
    const utf16 = Buffer.from(`\ufeff${spanish.replace('UTF-8', 'UTF-16')}`, 'utf16le')
    for (const one of [latin1, utf16, utf16.subarray(2), Buffer.from(utf16).swap16(), Buffer.from(`\ufeff${spanish}`)])
      assert.equal((await attach(gzipSync(one))).reports[0]?.org, 'Añejo')
    assert.equal(await reasons(spanish.replace('UTF-8', 'x-nothing'), 'text/xml'), 'its encoding is not known here')
  })

  test('with ampersands that should not be there, and entities that nobody defined', async () => {
    for (const [org, read] of [
      ['AT&T', 'AT&T'],
      ['https://x.test/?a=1&b=2&c', 'https://x.test/?a=1&b=2&c'],
      ['a & b &amp; c &lol; &#x41;&#99999999;', 'a & b & c &lol; A&#99999999;'],
      [`${'&'.repeat(100)}x`, `${'&'.repeat(100)}x`],
    ] as const)
      assert.equal((await attach(gzipSync(dmarcXml({ org })))).reports[0]?.org, read)
  })

  test('in pieces of any size', () => {
    const xml = dmarcXml({ org: 'A&amp;B &c; &#x41;&lt;&' })
    for (let step = 1; step < 30; step++) {
      const reader = new DmarcReader()
      for (let at = 0; at < xml.length; at += step) reader.write(xml.slice(at, at + step))
      assert.equal(reader.end().org, 'A&B &c; A<&', `${step}`)
    }
  })

  test('several in one zip, and several attached', async () => {
    const files = ['1', '2'].map((id) => ({ name: `${id}.xml`, data: Buffer.from(dmarcXml({ id })) }))
    const { reports } = await read({
      multipart: 'multipart/mixed',
      attached: [
        { type: 'application/zip', data: zip([{ name: 'folder/', data: Buffer.alloc(0) }, ...files]) },
        { type: 'application/gzip', data: gzipSync(dmarcXml({ id: '3' })) },
      ],
    })
    assert.deepEqual(
      reports.map(({ id }) => id),
      ['1', '2', '3'],
    )
  })

  test('what is not said, or not so', async () => {
    const xml = dmarcXml({
      records: [{ ip: 'x', count: 5, disposition: 'burn', dkim: 'none', spf: 'PASS' }, { count: -1 }, { count: 1.5 }, { count: 1e30 }],
    })
    const [report] = (await attach(gzipSync(xml))).reports
    assert.deepEqual(
      report?.kind === 'dmarc' && report.rows.map(({ source, count, disposition, dkim, spf }) => [source, count, disposition, dkim, spf]),
      [['', 5, '', false, true]],
    )
    const escapes = (await attach(gzipSync(dmarcXml({ org: 'a\u009b31m\u007f[2J\u202eb&lt;&amp;', id: `${'x'.repeat(5_000)}\ud800` })))).reports[0]!
    assert.equal(escapes.org, 'a 31m [2J b<&')
    assert.equal(escapes.id.length, 255)
    assert.equal((await attach(gzipSync(dmarcXml({ domain: 'EXAMPLE.test.' })))).reports[0]?.domain, 'example.test')
  })
})

describe('TLS reports', () => {
  const json = tlsJson({
    policies: [
      tlsPolicy('example.test', 20, { 'certificate-expired': 3, 'starttls-not-supported': 1 }),
      tlsPolicy('other.test', 1, {}, 'no-policy-found'),
    ],
  })
  for (const [name, shape] of Object.entries(TLS_SHAPES))
    test(name, async () => {
      const { reports, unread } = await read(shape(json))
      assert.deepEqual(unread, [])
      const [first, second] = reports
      const failure = { mx: 'mail.example.test', said: '' }
      assert.deepEqual(first?.kind === 'tls' && [first.domain, first.org, first.id, first.rows], [
        ...['example.test', 'Google Inc.', 'tls-1'],
        [
          {
            policy: 'sts',
            sessions: 20,
            failed: 4,
            failures: [
              { result: 'certificate-expired', ...failure, count: 3 },
              { result: 'starttls-not-supported', ...failure, count: 1 },
            ],
          },
        ],
      ])
      assert.deepEqual(second?.kind === 'tls' && [second.domain, second.rows[0]?.sessions], ['other.test', 1])
    })

  test('as this server sends them', async () => {
    const frame = { day: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10), domain: 'example.test', submitter: 'us.test' }
    const count = { day: frame.day, reason: 'why', sendingIp: '192.0.2.1', mxHost: 'mx.example.test', receivingIp: '', sessions: 2 }
    const policy = { mailDomain: 'example.test', strings: [], mx: [] }
    const gzip = packed(frame, [
      { ...count, policy: { ...policy, type: 'sts', domain: 'example.test' }, result: 'certificate-expired' },
      { ...count, policy: { ...policy, type: 'tlsa', domain: '_25._tcp.mx.example.test' } },
    ])
    const { reports, unread } = await readReports(sentMail(frame, gzip, { to: 'reports@example.test', date: Date.now() }).octets)
    assert.deepEqual(unread, [])
    const failure = { result: 'certificate-expired', count: 2, mx: 'mx.example.test', said: 'why' }
    assert.deepEqual(
      reports.map((report) => [report.domain, report.kind === 'tls' && report.rows]),
      [
        ['example.test', [{ policy: 'sts', sessions: 0, failed: 2, failures: [failure] }]],
        ['mx.example.test', [{ policy: 'tlsa', sessions: 2, failed: 0, failures: [] }]],
      ],
    )
  })

  test('what is no such report', async () => {
    for (const [text, said] of [
      ['{', 'it is no JSON that can be read'],
      ['{}', 'it is JSON and no TLS report'],
      [tlsJson({ id: '' }), 'it has no report id'],
      [tlsJson({ policies: [] }), 'it names no domain'],
      [tlsJson({ policies: [1, null, [], { policy: 'x' }, { policy: { 'policy-domain': 'a b' } }] }), 'it names no domain'],
      [tlsJson({ age: 500 }), 'it is about a time more than 400 days ago'],
      [tlsJson().replace('T00:00', 'T99:00'), 'the time that it is about makes no sense'],
      [`{"policies":[],"report-id":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 'it has no report id'],
      [`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, 'it is JSON and no TLS report'],
      [`{"x":"${'a'.repeat(9_000_000)}"}`, 'it unpacks to more than 200 times its size'],
    ] as const)
      assert.equal(await reasons(gzipSync(text)), said, text.slice(0, 100))
    assert.equal(await reasons(`{"x":"${'a'.repeat(9_000_000)}"}`, 'application/json'), 'it is JSON of more than 4 MiB')
    const many = tlsJson({ policies: [tlsPolicy('example.test', 1, Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`r${i}`, 1])))] })
    const [report] = (await attach(gzipSync(many))).reports
    assert.ok(report?.kind === 'tls' && report.rows[0]!.failures.length <= 200)
  })
})

describe('what is wrong is said in words', () => {
  const good = Buffer.from(dmarcXml())
  for (const [what, data, said] of [
    ['nothing', '', 'it is empty'],
    ['blanks', '   \r\n  ', 'it is empty'],
    ['some text', 'hello', 'it is neither XML nor JSON'],
    ['HTML', '<html><body>x</body></html>', 'it is XML and no DMARC report'],
    ['half of it', good.subarray(0, 700), 'it is no XML that can be read'],
    ['a character that XML has not', dmarcXml({ org: '&#27;' }), 'it is no XML that can be read'],
    ['laughs', `<!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>${dmarcXml({ org: '&b;' })}`, 'it has a DTD, and none is read'],
    ['an external DTD', `<!DOCTYPE feedback SYSTEM "file:///etc/passwd">${good}`, 'it has a DTD, and none is read'],
    ['depth', `<feedback>${'<a>'.repeat(50_000)}`, 'its elements are too deep within each other'],
    ['no domain', dmarcXml({ domain: '' }), 'it names no domain'],
    ['a strange domain', dmarcXml({ domain: '../x' }), 'it names no domain'],
    ['no id', dmarcXml({ id: ' ' }), 'it has no report id'],
    ['long ago', dmarcXml({ age: 402 }), 'it is about a time more than 400 days ago'],
    ['to come', dmarcXml({ age: -5 }), 'the time that it is about makes no sense'],
    ['half a gzip', gzipSync(good).subarray(0, 200), 'what is packed in it is damaged'],
    ['a gzip within', gzipSync(gzipSync(good)), 'it is an archive within an archive, which is not opened'],
    ['a zip within', gzipSync(zip([{ name: 'x', data: good }])), 'it is an archive within an archive, which is not opened'],
    ['an empty zip', 'PK\u0005\u0006'.padEnd(22, '\0'), 'it is neither XML nor JSON'],
    ['a zip of a folder', zip([{ name: 'x/', data: good }]), 'the zip file is empty'],
    ['half a zip', zip([{ name: 'x', data: good }]).subarray(0, -30), 'the zip file is damaged'],
    ['more entries than there are', zip([{ name: 'x', data: good }], { count: 9 }), 'the zip file is damaged'],
    ['many entries', zip([{ name: 'x', data: good }], { count: 60_000 }), 'the zip file holds more than 10 files'],
    ['a password', zip([{ name: 'x', data: good, flags: 1 }]), 'the zip file has a password'],
    ['another method', zip([{ name: 'x', data: good, method: 14 }]), 'the zip file is packed in a way that is not known here'],
    ['rubbish in a zip', zip([{ name: 'x', data: good, packed: Buffer.alloc(20, 0xff) }]), 'what is packed in it is damaged'],
  ] as const)
    test(what, async () => assert.equal(await reasons(Buffer.from(data as Buffer)), said))

  test('a zip that lies about sizes is read all the same', async () => {
    assert.equal((await attach(zip([{ name: 'x', data: good, size: 1 }]))).reports.length, 1)
    assert.equal((await attach(zip([{ name: 'x', data: good, size: 0xffffffff }]))).reports.length, 1)
    assert.equal((await attach(zip([{ name: 'x', data: good, packed: good, method: 0 }]))).reports.length, 1)
  })

  test('no attachment, and those that are none', async () => {
    assert.deepEqual((await readReports(Buffer.from('From: a@b.test\r\nSubject: hi\r\n\r\nhello\r\n'))).unread, [
      'nothing is attached that could be a report',
    ])
    assert.deepEqual((await readReports(Buffer.alloc(0))).unread, ['nothing is attached that could be a report'])
    const many = await read({
      multipart: 'multipart/mixed',
      attached: Array.from({ length: 30 }, (_, i) => ({ type: 'text/xml', data: Buffer.from(dmarcXml({ id: `${i}` })) })),
    })
    assert.equal(many.reports.length, 8)
  })
})
