/** `postern reports`: what other servers report about mail of our domains and TLS to them, and what to change. With the server running or not. */
import { loadConfig } from '../../config/load.ts'
import { findPlaces } from '../../config/places.ts'
import type { Config } from '../../config/schema.ts'
import { silentLog } from '../../log.ts'
import { canonicalDomain } from '../../mail/address.ts'
import type { Dns } from '../../net/dns/dns.ts'
import { addressIn } from '../../reports/text.ts'
import { dnsOf } from '../../serve/outbound.ts'
import { words } from '../../serve/words.ts'
import { isUnknownTable, Pool } from '../../store/pg/pool.ts'
import { toldReports, unreadReports } from '../../store/pg/reports/told.ts'
import { KEEP_REPORT_DAYS, type UnreadReports } from '../../store/reports.ts'
import { type Command, Usage } from '../args.ts'
import { withDatabase } from '../backup/database.ts'
import { DONE } from '../failure.ts'
import { ownAddresses } from '../zone/setting.ts'
import { sourceWords, tlsWords } from './advice.ts'
import { Adding, type Summary } from './summary.ts'
import { summaryText } from './table.ts'

const DAYS = 30
/** That the DNS may take to say which addresses are ours. */
const DNS_MS = 3_000

export const reportsIn = (dnsFor: (config: Config) => Dns): Command => ({
  name: 'reports',
  usage: ['reports [--domain DOMAIN] [--days N] [--json]'],
  summary: `say what other servers report of mail in the name of your domains and of TLS to them (of ${DAYS} days if not said), and what to change`,
  takes: ['domain', 'days', 'json'],
  async run(args, around) {
    if (args.words.length > 1) throw new Usage('reports takes --domain')
    const domain = args.domain === undefined ? undefined : canonicalDomain(args.domain)
    if (args.domain !== undefined && domain === undefined) throw new Usage(`${args.domain} is no domain`)
    const days = daysIn(args.days)
    const places = findPlaces(args.flags, around.env, around.cwd)
    const { config } = loadConfig(places.configFile, words)
    const own = await addressesOf(config, dnsFor(config))
    const adding = new Adding((address) => own.has(address))
    let unread: UnreadReports[] = []
    await withDatabase({ places, env: around.env }, async (connect) => {
      const pool = new Pool({ connect, max: 1, log: silentLog() })
      try {
        await toldReports(pool, domain, days, (report) => adding.add(report))
        unread = await unreadReports(pool, days)
      } catch (err) {
        // No server was ever started with it: there are no reports.
        if (!isUnknownTable(err)) throw err
      } finally {
        await pool.close()
      }
    })
    const summary = adding.end(days)
    if (args.json) around.out(JSON.stringify(plain(summary, unread), undefined, 2))
    else {
      around.out(summaryText(summary, unread))
      for (const hint of hintsFor(config)) around.err(hint)
    }
    return DONE
  },
})

export const reports: Command = reportsIn(dnsOf)

function daysIn(text: string | undefined): number {
  if (text === undefined) return DAYS
  const days = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (days < 1 || days > KEEP_REPORT_DAYS) throw new Usage(`--days is a number from 1 to ${KEEP_REPORT_DAYS}, which is how long reports are kept`)
  return days
}

/** Those of this machine, and those that the DNS has for it; what it does not say in time is not known. */
async function addressesOf({ hostname }: Config, dns: Dns): Promise<ReadonlySet<string>> {
  const asked = (['A', 'AAAA'] as const).map((type) =>
    dns.ask(hostname, type).then(
      ({ records }) => records as readonly string[],
      () => [],
    ),
  )
  const late = new Promise<never[]>((resolve) => setTimeout(() => resolve([]), DNS_MS).unref())
  const found = await Promise.all(asked.map((one) => Promise.race([one, late])))
  return new Set([...ownAddresses(), ...found.flat()].map(addressIn))
}

function hintsFor({ reports: collected, inbound }: Config): string[] {
  if (!collected)
    return ['Nothing is collected: set "reports.to" in the config to a mailbox or alias, and take the records that "postern dns" prints then.']
  return inbound?.authenticate === false ? ['Nothing proves who sent a report while "inbound.authenticate" is false: none of them counts.'] : []
}

/** Maps and sets as JSON has them, with the words for each. */
function plain({ days, domains, unverified }: Summary, unread: readonly UnreadReports[]): unknown {
  return {
    days,
    domains: domains.map(({ domain, reports: n, reporters, dmarc, tls }) => ({
      ...{ domain, reports: n, reporters: Object.fromEntries(reporters) },
      ...(dmarc && {
        dmarc: {
          ...dmarc,
          dispositions: Object.fromEntries(dmarc.dispositions),
          sources: dmarc.sources.map((one) => ({ ...one, others: [...one.others], from: [...one.from], advice: sourceWords(one, domain) })),
        },
      }),
      ...(tls && { tls: { ...tls, failures: tls.failures.map((one) => ({ ...one, advice: tlsWords(one.result) })) } }),
    })),
    unverified: Object.fromEntries(unverified),
    unread: unread.map(({ reporter, reason, count, last }) => ({ ...reporter, reason, count, last: new Date(last).toISOString() })),
  }
}
