/** Findings as they stand in Authentication-Results: RFC 8601 §2.7, RFC 8617 §6, RFC 9989 §9.1. */
import type { MethodResult } from '../../mail/auth-results.ts'
import type { Decision } from './decision.ts'
import type { Findings } from './findings.ts'

export function resultsOf({ spf, dkim, ignored, arc, dmarc }: Findings, { override }: Decision, ip: string): MethodResult[] {
  const signatures: MethodResult[] = dkim.map(({ result, comment, domain, selector, algorithm, signature }) => ({
    ...{ method: 'dkim', result, comment },
    properties: { 'header.d': domain, 'header.s': selector, 'header.a': algorithm, 'header.b': signature },
  }))
  const more = ignored > 0 ? [{ method: 'dkim', result: 'policy', comment: `${ignored} more not looked at` }] : []
  const none = signatures.length + more.length === 0 ? [{ method: 'dkim', result: 'none' }] : []
  const why = [dmarc.comment, override && `overridden by ${override}`].filter(Boolean).join(', ')
  return [
    { method: 'spf', result: spf.result, comment: spf.comment, properties: { [spf.identity]: spf.domain } },
    ...[...none, ...signatures, ...more],
    ...(arc.result === 'none'
      ? []
      : [{ method: 'arc', result: arc.result, comment: arc.comment ?? sealedBy(arc.sets), properties: { 'smtp.remote-ip': ip } }]),
    { method: 'dmarc', result: dmarc.result, comment: why, properties: { 'header.from': dmarc.from } },
  ]
}

const sealedBy = (sets: Findings['arc']['sets']): string => sets.map(({ sealer }, i) => `i=${sets.length - i} d=${sealer}`).join(' ')
