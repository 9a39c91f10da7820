/** TLS reports: JSON of RFC 8460 §4. */
import { canonicalDomain } from '../mail/address.ts'
import type { TlsFailure, TlsRow, ToldReport } from '../store/reports.ts'
import { periodOf } from './period.ts'
import { countIn, tame } from './text.ts'
import { READ_LIMITS, Unreadable } from './unreadable.ts'

type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {})
const listOf = (value: unknown, most: number): Fields[] => (Array.isArray(value) ? value.slice(0, most).map(fieldsOf) : [])
const textOf = (value: unknown): string => (typeof value === 'string' ? tame(value) : '')
const timeOf = (value: unknown): number => (typeof value === 'string' && value.length < 64 ? Date.parse(value) : Number.NaN)

/** One for each domain that it is about. Throws Unreadable. */
export function tlsReports(text: string): ToldReport[] {
  const report = fieldsOf(parsed(text))
  if (!Array.isArray(report['policies'])) throw new Unreadable('it is JSON and no TLS report')
  const id = textOf(report['report-id'])
  if (id === '') throw new Unreadable('it has no report id')
  const range = fieldsOf(report['date-range'])
  const told = {
    ...{ kind: 'tls' as const, id, org: textOf(report['organization-name']), policy: '' },
    ...periodOf(timeOf(range['start-datetime']), timeOf(range['end-datetime'])),
  }
  const byDomain = new Map<string, TlsRow[]>()
  for (const each of listOf(report['policies'], READ_LIMITS.policies)) {
    const policy = fieldsOf(each['policy'])
    const domain = domainIn(textOf(policy['policy-domain']))
    if (domain !== undefined) byDomain.set(domain, [...(byDomain.get(domain) ?? []), rowOf(each, textOf(policy['policy-type']).toLowerCase())])
  }
  if (byDomain.size === 0) throw new Unreadable('it names no domain')
  return [...byDomain].slice(0, READ_LIMITS.reports).map(([domain, rows]) => ({ ...told, domain, rows }))
}

/** Of DANE it may be the name that TLSA records stand at: `_25._tcp.mail.example.org`. */
const domainIn = (text: string): string | undefined =>
  canonicalDomain(
    text
      .toLowerCase()
      .replace(/\.$/, '')
      .replace(/^_\d{1,5}\._tcp\./, ''),
  )

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Unreadable('it is no JSON that can be read')
  }
}

function rowOf(fields: Fields, policy: string): TlsRow {
  const summary = fieldsOf(fields['summary'])
  const failures = new Map<string, TlsFailure>()
  for (const detail of Array.isArray(fields['failure-details']) ? fields['failure-details'].map(fieldsOf) : []) {
    const failure = {
      result: textOf(detail['result-type']).toLowerCase(),
      mx: textOf(detail['receiving-mx-hostname']).toLowerCase(),
      said: textOf(detail['failure-reason-code']) || textOf(detail['additional-information']),
    }
    const many = failures.size >= READ_LIMITS.failures
    const key = many ? failure.result : JSON.stringify(failure)
    const before = failures.get(key)
    if (many && !before && failures.size >= 2 * READ_LIMITS.failures) continue
    failures.set(key, {
      ...(many ? { ...failure, mx: '', said: '' } : failure),
      count: countIn(detail['failed-session-count']) + (before?.count ?? 0),
    })
  }
  return {
    policy,
    sessions: countIn(summary['total-successful-session-count']),
    failed: countIn(summary['total-failure-session-count']),
    failures: [...failures.values()],
  }
}
