import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import type { AppliedPolicy, TlsCount } from '../../../store/tls-sessions.ts'
import { fileName, packed, reportJson, reportMail } from './report.ts'

const count = z.int().min(0)
/** RFC 8460 §4.4. */
export const REPORT = z.strictObject({
  'organization-name': z.string(),
  'date-range': z.strictObject({ 'start-datetime': z.iso.datetime(), 'end-datetime': z.iso.datetime() }),
  'contact-info': z.email(),
  'report-id': z.string().regex(/^\S+$/),
  policies: z
    .array(
      z.strictObject({
        policy: z.strictObject({
          'policy-type': z.enum(['tlsa', 'sts', 'no-policy-found']),
          'policy-string': z.array(z.string()).min(1).optional(),
          'policy-domain': z.string(),
          'mx-host': z.array(z.string()).min(1).optional(),
        }),
        summary: z.strictObject({ 'total-successful-session-count': count, 'total-failure-session-count': count }),
        'failure-details': z
          .array(
            z.strictObject({
              'result-type': z.enum([
                ...([
                  'starttls-not-supported',
                  'certificate-host-mismatch',
                  'certificate-expired',
                  'certificate-not-trusted',
                  'validation-failure',
                ] as const),
                ...([
                  'tlsa-invalid',
                  'dnssec-invalid',
                  'dane-required',
                  'sts-policy-fetch-error',
                  'sts-policy-invalid',
                  'sts-webpki-invalid',
                ] as const),
              ]),
              'sending-mta-ip': z.union([z.ipv4(), z.ipv6()]).optional(),
              'receiving-mx-hostname': z.string().optional(),
              'receiving-ip': z.union([z.ipv4(), z.ipv6()]).optional(),
              'failed-session-count': count.min(1),
              'failure-reason-code': z.string().optional(),
            }),
          )
          .min(1)
          .optional(),
      }),
    )
    .min(1),
})

const FRAME = { day: '2026-01-31', domain: 'x.test', submitter: 'us.test' }
const NOWHERE = { sendingIp: '', mxHost: '', receivingIp: '', reason: '' }
const policy = (type: AppliedPolicy['type'], more: Partial<AppliedPolicy> = {}): AppliedPolicy => ({
  ...{ mailDomain: 'x.test', type, domain: 'x.test', strings: [], mx: [] },
  ...more,
})
const STS = policy('sts', { strings: ['version: STSv1', 'mode: testing', 'mx: *.x.test', 'max_age: 86400'], mx: ['*.x.test'] })
const COUNTS: TlsCount[] = [
  { day: FRAME.day, policy: STS, ...NOWHERE, sessions: 12 },
  {
    ...{ day: FRAME.day, policy: STS, result: 'certificate-expired', reason: 'gone', sessions: 3 },
    ...{ sendingIp: '192.0.2.1', mxHost: 'mx.x.test', receivingIp: '2001:db8::1' },
  },
  { day: FRAME.day, policy: STS, ...NOWHERE, result: 'validation-failure', mxHost: 'mx.y.test', sessions: 1 },
  { day: FRAME.day, policy: policy('tlsa', { domain: 'mx.x.test', strings: ['3 1 1 00ff'] }), ...NOWHERE, sessions: 2 },
  { day: FRAME.day, policy: policy('no-policy-found'), ...NOWHERE, sessions: 1 },
  { day: FRAME.day, policy: policy('no-policy-found', { mailDomain: 'y.test' }), ...NOWHERE, sessions: 1 },
]

test('the report: by policy, sums, and what failed', () => {
  const report = REPORT.parse(reportJson(FRAME, COUNTS))
  assert.deepEqual(report['date-range'], { 'start-datetime': '2026-01-31T00:00:00Z', 'end-datetime': '2026-01-31T23:59:59Z' })
  assert.equal(report['report-id'], '2026-01-31.x.test@us.test')
  const [sts, tlsa, none, ...more] = report.policies
  assert.deepEqual(more, [])
  assert.deepEqual(sts?.policy, { 'policy-type': 'sts', 'policy-string': STS.strings, 'policy-domain': 'x.test', 'mx-host': ['*.x.test'] })
  assert.deepEqual(sts?.summary, { 'total-successful-session-count': 12, 'total-failure-session-count': 4 })
  assert.deepEqual(sts?.['failure-details'], [
    {
      ...{ 'result-type': 'certificate-expired', 'sending-mta-ip': '192.0.2.1', 'receiving-mx-hostname': 'mx.x.test', 'receiving-ip': '2001:db8::1' },
      ...{ 'failed-session-count': 3, 'failure-reason-code': 'gone' },
    },
    { 'result-type': 'validation-failure', 'receiving-mx-hostname': 'mx.y.test', 'failed-session-count': 1 },
  ])
  assert.deepEqual(tlsa?.policy, { 'policy-type': 'tlsa', 'policy-string': ['3 1 1 00ff'], 'policy-domain': 'mx.x.test' })
  assert.deepEqual(none, {
    policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'x.test' },
    summary: { 'total-successful-session-count': 2, 'total-failure-session-count': 0 },
  })
})

test('its mail: header, parts, lines of bearable length', () => {
  const { octets, block } = reportMail(FRAME, packed(FRAME, COUNTS), { to: 'tls@x.test', date: 0 })
  const text = octets.toString('latin1')
  assert.ok(octets.subarray(0, block).toString().endsWith('\r\n\r\n'))
  assert.match(
    text,
    /^From: <postmaster@us\.test>\r\nTo: <tls@x\.test>\r\nSubject: Report Domain: x\.test\r\n\tSubmitter: us\.test\r\n\tReport-ID: <2026-01-31\.x\.test@us\.test>\r\n/,
  )
  for (const line of ['TLS-Report-Domain: x.test', 'TLS-Report-Submitter: us.test', 'TLS-Required: No', 'Auto-Submitted: auto-generated'])
    assert.ok(text.slice(0, block).includes(`\r\n${line}\r\n`), line)
  assert.match(text, /\r\nContent-Type: multipart\/report; report-type="tlsrpt";\r\n\tboundary="([^"]+)"\r\n/)
  assert.equal(fileName(FRAME), 'us.test!x.test!1769817600!1769903999.json.gz')
  assert.match(text, /\r\nContent-Type: application\/tlsrpt\+gzip;\r\n\tname="us\.test!x\.test!1769817600!1769903999\.json\.gz"\r\n/)
  assert.ok(text.split('\r\n').every((line) => line.length <= 78))
  assert.doesNotMatch(text.replaceAll('\r\n', ''), /[\r\n]/)
  const attached = /Content-Disposition: attachment;[\s\S]*?\r\n\r\n([\s\S]*?)\r\n--/.exec(text)![1]!
  assert.deepEqual(JSON.parse(gunzipSync(Buffer.from(attached, 'base64')).toString()), reportJson(FRAME, COUNTS))
})
