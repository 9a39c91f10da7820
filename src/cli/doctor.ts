/** `postern doctor`: looks at everything that mail to and from the world needs, and says what to change. Changes nothing itself. */
import { loadConfig } from '../config/load.ts'
import { findPlaces, type Places } from '../config/places.ts'
import type { Config } from '../config/schema.ts'
import { readSecrets } from '../config/secrets.ts'
import { silentLog } from '../log.ts'
import { canonicalDomain } from '../mail/address.ts'
import { DnsTrouble } from '../net/dns/dns.ts'
import { readEndpoints } from '../serve/endpoints.ts'
import { dnsOf } from '../serve/outbound.ts'
import { scanRules } from '../serve/scan.ts'
import { words } from '../serve/words.ts'
import { Pool } from '../store/pg/pool.ts'
import { type Command, Usage } from './args.ts'
import { withDatabase } from './backup/database.ts'
import { acmeFindings } from './checks/acme.ts'
import { about, type Finding, messageOf, type Seen, type Verdict, type World } from './checks/check.ts'
import { dkimCheck, mxCheck, setUpCheck, srvCheck } from './checks/domain.ts'
import { addressCheck, askedListsCheck, certificateFindings, listsCheck, reverseCheck, tlsaCheck } from './checks/host.ts'
import { configFindings, databaseFindings, diskFindings, factsOf, queueFindings, serverFindings } from './checks/house.ts'
import { onwardCheck } from './checks/onward.ts'
import { clockCheck, outwardCheck } from './checks/outward.ts'
import { dmarcCheck, mtaStsCheck, tlsReportsCheck } from './checks/policies.ts'
import { scannerFindings } from './checks/scanners.ts'
import { spfCheck } from './checks/spf.ts'
import { worldOf } from './checks/world.ts'
import { domainAsked, settingOf } from './dns.ts'
import { DONE, REFUSED } from './failure.ts'
import { domainsFor, type ShownCertificate, shownCertificate } from './zone/setting.ts'

/** Its mail servers are always there, and many. */
const REACH = 'gmail.com'

/** `world`: what the network is to it; tests give their own. */
export const doctorIn = (world: (config: Config) => World): Command => ({
  name: 'doctor',
  usage: ['doctor [DOMAIN] [--reach DOMAIN] [--offline]'],
  summary:
    'look at DNS, addresses, certificate, scanners, database and queue, and say what to change (--reach: whose mail server is tried; --offline: nobody is asked)',
  takes: ['offline', 'reach'],
  async run(args, around) {
    const places = findPlaces(args.flags, around.env, around.cwd)
    const loaded = loadConfig(places.configFile, words)
    const { config } = loaded
    const domains = domainsFor(config, domainAsked('doctor', args.words))
    const reach = canonicalDomain(args.reach ?? REACH)
    if (reach === undefined) throw new Usage(`${args.reach} is no domain`)
    const facts = await withDatabase({ places, env: around.env }, async (connect) => {
      const pool = new Pool({ connect, max: 1, log: silentLog() })
      try {
        return await factsOf(pool, config.hostname)
      } finally {
        await pool.close()
      }
    }).catch((err: unknown) => (err instanceof Error ? err : new Error(String(err))))
    const shown = certificateIn(config, places)
    const certificate = shown instanceof Error ? undefined : shown
    const keys = facts instanceof Error ? undefined : facts.keys
    const findings = [
      ...serverFindings(places.dataDir),
      ...configFindings(places.dataDir),
      ...diskFindings(places.dataDir),
      ...databaseFindings(facts),
      ...(facts instanceof Error ? [] : queueFindings(facts)),
      ...(shown instanceof Error ? [about('certificate').wrong(shown.message)] : certificateFindings({ config, certificate })),
      ...(facts instanceof Error ? [] : acmeFindings(config, { state: facts.acme, port: httpsPort(places) })),
    ]
    if (args.offline) findings.push(about('DNS, way out, clock').skipped('--offline'))
    else {
      const scanners = async () => scannerFindings(scanRules(loaded, readSecrets(loaded, around.env)), config.hostname)
      findings.push(...(await guarded('scanners', scanners)))
      findings.push(...(await examine({ ...settingOf({ config, places, keys, certificate }), domains, reach, world: world(config) })))
    }
    for (const finding of findings) around.out(lineOf(finding))
    around.out(`\n${summary(findings)}`)
    return findings.some(({ verdict }) => verdict === 'wrong') ? REFUSED : DONE
  },
})

export const doctor: Command = doctorIn((config) => worldOf(dnsOf(config)))

function certificateIn(config: Config, { configFile, dataDir }: Places): ShownCertificate | undefined | Error {
  try {
    return shownCertificate(config, configFile, dataDir)
  } catch (err) {
    return err instanceof Error ? err : new Error(String(err))
  }
}

const httpsPort = ({ dataDir }: Places): number | undefined => readEndpoints(dataDir)?.listeners.find(({ service }) => service === 'https')?.port

const OF_HOST: readonly (readonly [string, (seen: Seen) => Promise<Finding[]>])[] = [
  ['address', addressCheck],
  ['reverse name', reverseCheck],
  ['block lists', listsCheck],
  ['lists of the config', askedListsCheck],
  ['TLSA', tlsaCheck],
  ['way out', outwardCheck],
  ['clock', clockCheck],
]
const OF_DOMAIN: readonly (readonly [string, (seen: Seen, domain: string) => Promise<Finding[]>])[] = [
  ['MX', mxCheck],
  ['SPF', spfCheck],
  ['DKIM', dkimCheck],
  ['DMARC', dmarcCheck],
  ['MTA-STS', mtaStsCheck],
  ['TLS-RPT', tlsReportsCheck],
  ['SRV', srvCheck],
  ['set-up', setUpCheck],
  ['mail sent on', onwardCheck],
]

/** All that is seen from outside. One check that cannot be made keeps none of the others. */
export async function examine(seen: Seen): Promise<Finding[]> {
  const host = OF_HOST.map(([what, check]) => guarded(what, () => check(seen)))
  const findings = await Promise.all(host)
  // One domain after the other: there may be hundreds of them.
  for (const domain of seen.domains)
    findings.push(...(await Promise.all(OF_DOMAIN.map(([what, check]) => guarded(`${what} of ${domain}`, () => check(seen, domain))))))
  return findings.flat()
}

async function guarded(what: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (err) {
    if (err instanceof DnsTrouble) return [about(what).warning(`the DNS gives no answer: ${err.message}`)]
    return [about(what).wrong(`it could not be looked at: ${messageOf(err)}`)]
  }
}

/** What strangers wrote into the DNS is shown on a terminal. */
const MAX_SHOWN = 600
const printable = (text: string): string => text.replace(/\p{C}+/gu, '?').slice(0, MAX_SHOWN)

const WIDTH = Math.max(...(['ok', 'warning', 'wrong', 'skipped'] satisfies Verdict[]).map(({ length }) => length))

export const lineOf = ({ verdict, about: what, words: said }: Finding): string => `${verdict.padEnd(WIDTH)}  ${printable(what)}: ${printable(said)}`

function summary(findings: readonly Finding[]): string {
  const count = (verdict: Verdict): number => findings.filter((one) => one.verdict === verdict).length
  return `${count('wrong')} wrong, ${count('warning')} warnings, ${count('ok')} ok, ${count('skipped')} skipped.`
}
