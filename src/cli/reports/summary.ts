/** Reports of many days and receivers added up: what happened to mail of each domain, and to TLS on the way to it. Pure. */
import { canonicalDomain } from '../../mail/address.ts'
import type { DmarcRow, KeptReport, Reporter, TlsRow } from '../../store/reports.ts'

export interface SourceSummary {
  /** '': of many, that were too many to be kept one by one. */
  readonly source: string
  /** This host. */
  own: boolean
  messages: number
  failed: number
  dkim: number
  spf: number
  /** Of those that fail: what the policy was not applied for. */
  overridden: number
  /** Domains that its mail proves to be of, and that are not the one in From: by signature, or by path. */
  readonly others: Set<string>
  /** Domains in From. */
  readonly from: Set<string>
}

export interface DmarcSummary {
  messages: number
  passed: number
  failed: number
  /** By what was done with them: none, quarantine, reject, pass. */
  readonly dispositions: Map<string, number>
  /** Those with most that fails first. */
  sources: SourceSummary[]
  /** As the last report had it. */
  policy: string
}

export interface TlsSummary {
  sessions: number
  failed: number
  readonly failures: { readonly result: string; readonly mx: string; readonly org: string; readonly said: string; count: number }[]
}

export interface DomainSummary {
  readonly domain: string
  reports: number
  /** By the names that they give themselves. */
  readonly reporters: Map<string, number>
  dmarc: DmarcSummary | undefined
  tls: TlsSummary | undefined
}

export interface Summary {
  readonly days: number
  readonly domains: DomainSummary[]
  /** Reports that nothing proves, by the domain that they say that they are from: in no other number. */
  readonly unverified: Map<string, number>
}

/** Domains that one source is shown with, and different failures. */
const MAX_NAMES = 5
const MAX_FAILURES = 500

export class Adding {
  readonly #domains = new Map<string, DomainSummary>()
  readonly #sources = new Map<string, Map<string, SourceSummary>>()
  readonly #unverified = new Map<string, number>()
  readonly #isOwn: (address: string) => boolean

  constructor(isOwn: (address: string) => boolean) {
    this.#isOwn = isOwn
  }

  add(report: KeptReport): void {
    if (!report.reporter.verified) return void count(this.#unverified, report.reporter.domain || 'somebody')
    const of = this.#domain(report.domain)
    of.reports++
    count(of.reporters, nameOf(report))
    if (report.kind === 'dmarc') this.#dmarc(of, report.rows, report.policy)
    else this.#tls(of, report.rows, nameOf(report))
  }

  end(days: number): Summary {
    for (const [domain, sources] of this.#sources)
      this.#domains.get(domain)!.dmarc!.sources = [...sources.values()].sort((a, b) => b.failed - a.failed || b.messages - a.messages)
    for (const { tls } of this.#domains.values()) tls?.failures.sort((a, b) => b.count - a.count)
    const domains = [...this.#domains.values()].sort((a, b) => (a.domain < b.domain ? -1 : 1))
    return { days, domains, unverified: this.#unverified }
  }

  #domain(domain: string): DomainSummary {
    let known = this.#domains.get(domain)
    if (!known) {
      known = { domain, reports: 0, reporters: new Map(), dmarc: undefined, tls: undefined }
      this.#domains.set(domain, known)
    }
    return known
  }

  #dmarc(of: DomainSummary, rows: readonly DmarcRow[], policy: string): void {
    of.dmarc ??= { messages: 0, passed: 0, failed: 0, dispositions: new Map(), sources: [], policy }
    of.dmarc.policy = policy
    for (const row of rows) {
      const passes = row.dkim || row.spf
      of.dmarc.messages += row.count
      of.dmarc[passes ? 'passed' : 'failed'] += row.count
      count(of.dmarc.dispositions, row.disposition === '' ? 'unknown' : row.disposition, row.count)
      addRow(this.#source(of.domain, row.source), row, passes)
    }
  }

  #source(domain: string, source: string): SourceSummary {
    let sources = this.#sources.get(domain)
    if (!sources) this.#sources.set(domain, (sources = new Map()))
    let known = sources.get(source)
    if (!known) {
      known = { source, own: this.#isOwn(source), messages: 0, failed: 0, dkim: 0, spf: 0, overridden: 0, others: new Set(), from: new Set() }
      sources.set(source, known)
    }
    return known
  }

  #tls(of: DomainSummary, rows: readonly TlsRow[], org: string): void {
    of.tls ??= { sessions: 0, failed: 0, failures: [] }
    for (const { sessions, failed, failures } of rows) {
      of.tls.sessions += sessions + failed
      of.tls.failed += failed
      for (const { result, mx, said, count: n } of failures) {
        const same = of.tls.failures.find((one) => one.result === result && one.mx === mx && one.org === org)
        if (same) same.count += n
        else if (of.tls.failures.length < MAX_FAILURES) of.tls.failures.push({ result, mx, org, said, count: n })
      }
    }
  }
}

function addRow(source: SourceSummary, row: DmarcRow, passes: boolean): void {
  source.messages += row.count
  if (row.dkim) source.dkim += row.count
  if (row.spf) source.spf += row.count
  if (row.from !== '' && source.from.size < MAX_NAMES) source.from.add(row.from)
  if (passes) return
  source.failed += row.count
  if (row.override !== '' && row.override !== 'other' && row.override !== 'local_policy') source.overridden += row.count
  for (const said of [...row.signed.split(' '), row.path]) {
    const [domain = '', result] = said.split('=')
    if (result === 'pass' && canonicalDomain(domain) !== undefined && domain !== row.from && source.others.size < MAX_NAMES) source.others.add(domain)
  }
}

/** What it calls itself is any text; the domain that it proved is not. */
const nameOf = ({ org, reporter }: { readonly org: string; readonly reporter: Reporter }): string =>
  org === '' || org.toLowerCase() === reporter.domain ? reporter.domain : `${org} (${reporter.domain})`

const count = (into: Map<string, number>, key: string, n = 1): void => void into.set(key, (into.get(key) ?? 0) + n)
