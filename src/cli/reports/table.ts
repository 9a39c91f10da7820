/** The sums as text for people. */
import type { UnreadReports } from '../../store/reports.ts'
import { DISPOSITIONS, policyWords, sourceWords, tlsWords } from './advice.ts'
import type { DmarcSummary, DomainSummary, SourceSummary, Summary, TlsSummary } from './summary.ts'

/** Sources, failures and reasons that are shown; --json has more. */
const MAX_SHOWN = 25

export function summaryText({ domains, days, unverified }: Summary, unread: readonly UnreadReports[]): string {
  const parts = domains.map((domain) => domainText(domain, days))
  if (domains.length === 0) parts.push(`No reports of the last ${days} days that count.`)
  if (unverified.size > 0) parts.push(unverifiedText(unverified))
  if (unread.length > 0) parts.push(unreadText(unread))
  return parts.join('\n\n')
}

function domainText({ domain, reports, reporters, dmarc, tls }: DomainSummary, days: number): string {
  const by = [...reporters].sort((a, b) => b[1] - a[1]).map(([name]) => name)
  const lines = [`== ${domain}: ${plural(reports, 'report')} of the last ${days} days, by ${someOf(by, 8)}`]
  if (dmarc) lines.push('', ...dmarcLines(dmarc, domain))
  if (tls) lines.push('', ...tlsLines(tls))
  return lines.join('\n')
}

function dmarcLines(dmarc: DmarcSummary, domain: string): string[] {
  const { messages, passed, failed, dispositions, sources, policy } = dmarc
  const done = [...dispositions].map(([what, n]) => `${number(n)} ${DISPOSITIONS.get(what)}`).join(', ')
  const shown = sources.slice(0, MAX_SHOWN)
  const table = [['FROM', 'MESSAGES', 'FAIL', 'DKIM', 'SPF', ''], ...shown.map(sourceCells)]
  const advice = policyWords(dmarc)
  const lines = [
    `  Mail in its name (DMARC${policy === '' ? '' : `, ${policy}`}): ${plural(messages, 'message')}, ${number(passed)} pass (${share(passed, messages)}), ${number(failed)} fail; ${done}`,
    ...(advice === undefined ? [] : [`  ${advice}`]),
    ...aligned(table).map((line) => `    ${line}`),
  ]
  const hidden = sources.slice(MAX_SHOWN)
  if (hidden.length > 0)
    lines.push(
      `    and ${plural(hidden.length, 'source')} more, with ${plural(sum(hidden.map((one) => one.messages)), 'message')}, ${number(sum(hidden.map((one) => one.failed)))} of which fail`,
    )
  const notes = new Map<string, string[]>()
  for (const source of shown) {
    const words = sourceWords(source, domain)
    if (words !== undefined) notes.set(words, [...(notes.get(words) ?? []), source.source || 'others'])
  }
  if (notes.size === 0) return lines
  return [...lines, '  What to look at, most first:', ...[...notes].map(([words, sources]) => `    ${sources.join(', ')}: ${words}`)]
}

const sourceCells = ({ source, own, messages, failed, dkim, spf }: SourceSummary): string[] => [
  source === '' ? 'others' : source,
  ...[messages, failed, dkim, spf].map(number),
  own ? 'this host' : '',
]

function tlsLines({ sessions, failed, failures }: TlsSummary): string[] {
  const head = `  TLS on the way to it: ${plural(sessions, 'session')}, ${failed === 0 ? 'all fine' : `${number(failed)} failed (${share(failed, sessions)})`}`
  const shown = failures.slice(0, MAX_SHOWN)
  const table = shown.map(({ result, mx, org, said, count }) => [number(count), result, mx, `by ${org}${said === '' ? '' : `: ${said}`}`])
  const kinds = [...new Set(shown.map(({ result }) => result))]
  return [head, ...aligned(table, [0]).map((line) => `    ${line}`), ...kinds.map((result) => `    ${result}: ${tlsWords(result)}`)]
}

const unverifiedText = (unverified: ReadonlyMap<string, number>): string =>
  [
    `== Not counted: ${plural(sum([...unverified.values()]), 'report')} that nothing proves to be of who sent them; anybody can write such`,
    ...[...unverified]
      .sort((a, b) => b[1] - a[1])
      .slice(0, MAX_SHOWN)
      .map(([domain, n]) => `    ${domain}: ${number(n)}`),
  ].join('\n')

const unreadText = (unread: readonly UnreadReports[]): string =>
  [
    '== Not read',
    ...unread
      .slice(0, MAX_SHOWN)
      .map(
        ({ reporter, reason, count }) =>
          `    ${number(count)} of ${reporter.domain || 'somebody'}${reporter.verified ? '' : ' (unproven)'}: ${reason}`,
      ),
    ...(unread.length > MAX_SHOWN ? [`    and ${unread.length - MAX_SHOWN} more lines: --json has them`] : []),
  ].join('\n')

/** Columns side by side; numbers, which all but the first and last are where `right` does not say, to the right. */
function aligned(rows: readonly (readonly string[])[], right?: readonly number[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  const isRight = (i: number): boolean => (right ? right.includes(i) : i > 0 && i < widths.length - 1)
  return rows.map((row) =>
    row
      .map((cell, i) => (isRight(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
const number = (n: number): string => n.toLocaleString('en')
const plural = (n: number, what: string): string => `${number(n)} ${what}${n === 1 ? '' : 's'}`
const someOf = (names: readonly string[], most: number): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`

/** Never 100 % of what is not all, nor 0 % of what is not nothing. */
function share(part: number, whole: number): string {
  if (whole === 0) return '0 %'
  const tenths = Math.round((1000 * part) / whole)
  const shown = part === 0 || part === whole ? tenths : Math.min(999, Math.max(1, tenths))
  return `${shown / 10} %`
}
