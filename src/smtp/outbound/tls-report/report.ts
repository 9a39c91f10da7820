/** A report on TLS: JSON of RFC 8460 §4.4, and the mail of §5.3 that carries it. */
import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { formatDate } from '../../../mail/date.ts'
import type { AppliedPolicy, TlsCount } from '../../../store/tls-sessions.ts'

export interface ReportFrame {
  /** UTC, `2026-01-31`. */
  readonly day: string
  /** That the report is for. */
  readonly domain: string
  /** Ours. */
  readonly submitter: string
}

export const MEDIA_TYPE = 'application/tlsrpt+gzip'
const SECONDS_A_DAY = 86_400
const BASE64_LINE = 76

/** The same for whoever makes it: a second copy is known by it. */
export const reportId = ({ day, domain, submitter }: ReportFrame): string => `${day}.${domain}@${submitter}`

export function reportJson(frame: ReportFrame, counts: readonly TlsCount[]): object {
  const byPolicy = new Map<string, { readonly policy: AppliedPolicy; readonly counts: TlsCount[] }>()
  for (const count of counts) {
    // The report names policies, not whose mail it was: of several domains with one host, one entry.
    const { type, domain, strings, mx } = count.policy
    const key = JSON.stringify([type, domain, strings, mx])
    const entry = byPolicy.get(key)
    if (entry) entry.counts.push(count)
    else byPolicy.set(key, { policy: count.policy, counts: [count] })
  }
  return {
    'organization-name': frame.submitter,
    'date-range': { 'start-datetime': `${frame.day}T00:00:00Z`, 'end-datetime': `${frame.day}T23:59:59Z` },
    'contact-info': contactOf(frame),
    'report-id': reportId(frame),
    policies: [...byPolicy.values()].map(policyJson),
  }
}

const contactOf = ({ submitter }: ReportFrame): string => `postmaster@${submitter}`

function policyJson({ policy, counts }: { readonly policy: AppliedPolicy; readonly counts: readonly TlsCount[] }): object {
  const { type, domain, strings, mx } = policy
  const sum = (of: readonly TlsCount[]): number => of.reduce((all, { sessions }) => all + sessions, 0)
  const failures = counts.filter(({ result }) => result !== undefined)
  return {
    policy: {
      'policy-type': type,
      ...(strings.length > 0 && { 'policy-string': strings }),
      'policy-domain': domain,
      ...(mx.length > 0 && { 'mx-host': mx }),
    },
    summary: {
      'total-successful-session-count': sum(counts.filter(({ result }) => result === undefined)),
      'total-failure-session-count': sum(failures),
    },
    ...(failures.length > 0 && { 'failure-details': failures.map(failureJson) }),
  }
}

const failureJson = ({ result, reason, sendingIp, mxHost, receivingIp, sessions }: TlsCount): object => ({
  'result-type': result,
  ...(sendingIp !== '' && { 'sending-mta-ip': sendingIp }),
  ...(mxHost !== '' && { 'receiving-mx-hostname': mxHost }),
  ...(receivingIp !== '' && { 'receiving-ip': receivingIp }),
  'failed-session-count': sessions,
  ...(reason !== '' && { 'failure-reason-code': reason }),
})

export const packed = (frame: ReportFrame, counts: readonly TlsCount[]): Buffer => gzipSync(JSON.stringify(reportJson(frame, counts)))

/** RFC 8460 §5.1. */
export function fileName({ day, domain, submitter }: ReportFrame): string {
  const begin = Date.parse(`${day}T00:00:00Z`) / 1000
  return `${submitter}!${domain}!${begin}!${begin + SECONDS_A_DAY - 1}.json.gz`
}

/** As it is queued, without its signature. CRLF line ends; `block` octets of it are the header with the blank line. */
export function reportMail(
  frame: ReportFrame,
  gzip: Buffer,
  { to, date }: { readonly to: string; readonly date: number },
): { octets: Buffer; block: number } {
  const { day, domain, submitter } = frame
  const boundary = `report-${randomUUID()}`
  const header = [
    `From: <${contactOf(frame)}>`,
    `To: <${to}>`,
    `Subject: Report Domain: ${domain}\r\n\tSubmitter: ${submitter}\r\n\tReport-ID: <${reportId(frame)}>`,
    `Date: ${formatDate(date)}`,
    `Message-ID: <${randomUUID()}@${submitter}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${submitter}`,
    // RFC 8460 §3: trouble with TLS is what it tells of. RFC 3834 §5: nobody answers it.
    'TLS-Required: No',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type="tlsrpt";\r\n\tboundary="${boundary}"`,
  ]
  const words = [
    `This is what the mail server of ${submitter} saw of TLS on ${day} (UTC)`,
    `when it sent mail to ${domain}. It is sent because the DNS asks for it, at`,
    `_smtp._tls.${domain}. What is attached is JSON, see RFC 8460.`,
  ]
  const parts = [
    ['Content-Type: text/plain; charset=us-ascii', '', ...words],
    [
      `Content-Type: ${MEDIA_TYPE};\r\n\tname="${fileName(frame)}"`,
      'Content-Transfer-Encoding: base64',
      `Content-Disposition: attachment;\r\n\tfilename="${fileName(frame)}"`,
      '',
      ...(gzip.toString('base64').match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? []),
    ],
  ]
  const head = Buffer.from(`${header.join('\r\n')}\r\n\r\n`)
  const body = Buffer.from(`${parts.map((part) => `--${boundary}\r\n${part.join('\r\n')}\r\n`).join('')}--${boundary}--\r\n`)
  return { octets: Buffer.concat([head, body]), block: head.length }
}
