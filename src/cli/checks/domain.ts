/** The records of a domain, as the DNS has them: what they mean counts, not how they are written. */
import { isIP } from 'node:net'
import { newestPublished } from '../../smtp/published.ts'
import { SRV, type Srv } from '../zone/records.ts'
import { namesOf, SETUP_NAMES, uncovered, WEB_PORT } from '../zone/web.ts'
import { about, addressesAt, ask, type Finding, type Seen } from './check.ts'

/** Hosts of one domain that are looked at. */
const MAX_HOSTS = 10

export async function mxCheck({ config: { hostname }, world: { dns } }: Seen, domain: string): Promise<Finding[]> {
  const { ok, wrong } = about(`MX of ${domain}`)
  const records = [...(await ask(dns, domain, 'MX'))].sort((a, b) => a.preference - b.preference).slice(0, MAX_HOSTS)
  if (records.length === 0) return [wrong(`there is none, so mail does not find ${hostname}. See "postern dns ${domain}"`)]
  if (records.some(({ exchange }) => exchange === ''))
    return [wrong(`it says that ${domain} takes no mail (RFC 7505): put ${hostname} there instead of "."`)]
  const ours = new Set(await addressesAt(dns, hostname))
  const findings: Finding[] = []
  let here = false
  for (const { exchange } of records) {
    const problem = await troubleWith(exchange, dns)
    if (problem !== undefined) findings.push(wrong(problem))
    here ||= exchange === hostname || (await addressesAt(dns, exchange)).some((address) => ours.has(address))
  }
  const names = records.map(({ exchange, preference }) => `${exchange} (${preference})`).join(', ')
  if (!here) findings.push(wrong(`it names ${names}, and none of them is ${hostname}: mail goes elsewhere`))
  return findings.length > 0 ? findings : [ok(names)]
}

/** RFC 5321 §5.1: a name that has addresses itself. */
async function troubleWith(exchange: string, dns: Seen['world']['dns']): Promise<string | undefined> {
  if (isIP(exchange) !== 0) return `${exchange} is an address, and an MX has to name a host`
  const [alias] = await ask(dns, exchange, 'CNAME')
  if (alias !== undefined) return `${exchange} is an alias (CNAME) of ${alias}, and an MX has to name a host that has addresses itself`
  return (await addressesAt(dns, exchange)).length === 0 ? `${exchange} has no address` : undefined
}

export async function dkimCheck({ keys, world: { dns } }: Seen, domain: string): Promise<Finding[]> {
  const { ok, warning, wrong, skipped } = about(`DKIM of ${domain}`)
  if (!keys) return [skipped('the database cannot be asked for the keys')]
  const own = keys.filter((key) => key.domain === domain)
  if (own.length === 0)
    return [wrong(`there are no keys, so mail is not signed and large receivers refuse it. Make them: postern dkim add ${domain}`)]
  const published = await newestPublished(own, dns)
  const selectors = published.map(({ selector, algorithm }) => `${selector} (${algorithm})`).join(', ')
  if (published.length === 0)
    return [wrong(`none of its ${own.length} keys is in the DNS with its own record, so mail is not signed. See "postern dns ${domain}"`)]
  if (!published.some(({ algorithm }) => algorithm === 'rsa'))
    return [warning(`signed with ${selectors} alone, which many receivers cannot check: put the record of the RSA key into the zone`)]
  const unused = own.filter((key) => key.created > Math.max(...published.map(({ created }) => created)))
  if (unused.length > 0)
    return [warning(`signed with ${selectors}; ${unused.map(({ selector }) => selector).join(', ')} is newer and not in the DNS`)]
  return [ok(`signed with ${selectors}`)]
}

/** Whether mail programs find the settings by themselves. */
export async function setUpCheck(seen: Seen, domain: string): Promise<Finding[]> {
  const {
    config: { hostname },
    world: { dns },
  } = seen
  const { ok, warning, wrong } = about(`set-up of ${domain}`)
  if (!seen.ports.has('https')) return [ok('"listeners.https" is off: users type host and port')]
  const ours = new Set(await addressesAt(dns, hostname))
  const found = await Promise.all(namesOf(SETUP_NAMES, domain).map(async (name) => ({ name, addresses: await addressesAt(dns, name) })))
  const there = found.filter(({ addresses }) => addresses.length > 0)
  const label = `_autodiscover._tcp.${domain}`
  const bySrv = (await ask(dns, label, 'SRV')).some(({ target, port }) => target === hostname && port === WEB_PORT)
  if (there.length === 0 && bySrv) return [ok(`by ${label} alone: Outlook asks whether that is right`)]
  if (there.length === 0)
    return [
      ok(
        `neither ${found.map(({ name }) => name).join(' nor ')} is in the DNS, so mail programs guess, or ask for host and port. See "postern dns ${domain}"`,
      ),
    ]
  const elsewhere = there.filter(({ addresses }) => !addresses.some((address) => ours.has(address))).map(({ name }) => name)
  if (elsewhere.length > 0) return [warning(`${elsewhere.join(' and ')} is not ${hostname}: mail programs are told what another server says`)]
  const missing = uncovered(
    there.map(({ name }) => name),
    seen,
  )
  if (missing.length > 0 && seen.config.tls?.acme)
    return [
      warning(`the certificate is not for ${missing.join(' and ')} yet: one that is comes by ACME within minutes, or "ACME" above says why not`),
    ]
  if (missing.length > 0)
    return [wrong(`the certificate is not for ${missing.join(' and ')}, so mail programs do not ask there: have it made for that name too`)]
  return [ok(there.map(({ name }) => name).join(', '))]
}

/** One finding for all of them. */
export async function srvCheck(seen: Seen, domain: string): Promise<Finding[]> {
  const { ok, warning, wrong } = about(`SRV of ${domain}`)
  const found = await Promise.all(SRV.map((srv) => lookAt(srv, domain, seen)))
  const bad = found.flatMap((one) => one.bad ?? [])
  const absent = found.flatMap((one) => one.missing ?? [])
  if (bad.length > 0) return [wrong(bad.join('; '))]
  if (absent.length > 0)
    return [warning(`${absent.join(', ')}: not there, so mail programs have to guess host and port. See "postern dns ${domain}"`)]
  return [ok('mail programs find what is served here')]
}

async function lookAt(
  { label, service }: Srv,
  domain: string,
  { config: { hostname }, ports, world: { dns } }: Seen,
): Promise<{ bad?: string; missing?: string }> {
  const port = service && ports.get(service)
  const records = await ask(dns, `${label}.${domain}`, 'SRV')
  const named = records.filter(({ target }) => target !== '' && target !== '.')
  // That something is not here need not be said.
  if (port === undefined)
    return named.length > 0 && named.some(({ target }) => target === hostname) ? { bad: `${label} names ${hostname}, where that is not served` } : {}
  if (records.length === 0) return { missing: label }
  if (named.length === 0) return { bad: `${label} says that there is none, and it is served on port ${port}` }
  const ours = named.find(({ target }) => target === hostname)
  if (ours && ours.port !== port) return { bad: `${label} names port ${ours.port}, and it is served on ${port}` }
  return ours ? {} : { bad: `${label} names ${named[0]!.target} and not ${hostname}` }
}
