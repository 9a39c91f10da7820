/** What a domain asks of other servers: DMARC, MTA-STS, TLS-RPT. */
import { canonical } from '../../mail/address.ts'
import { isNamed, stsIdOf } from '../../smtp/outbound/mta-sts/policy.ts'
import { about, ask, type Finding, messageOf, type Seen, versioned } from './check.ts'

const POLICIES = ['none', 'quarantine', 'reject']
/** Names above a domain that may have its policy. */
const MAX_PARENTS = 5

/** RFC 7489 §6.3: tags in any order, but for v, which comes first. undefined: that is no record. */
export function dmarcTags(record: string): ReadonlyMap<string, string> | undefined {
  const tags = new Map<string, string>()
  for (const part of record.split(';').map((text) => text.trim())) {
    if (part === '') continue
    const [, name, value] = /^([a-z0-9]+)\s*=\s*(.*)$/i.exec(part) ?? []
    if (name === undefined || value === undefined || tags.has(name.toLowerCase())) return undefined
    tags.set(name.toLowerCase(), value.trim())
  }
  return tags.keys().next().value === 'v' && tags.get('v') === 'DMARC1' ? tags : undefined
}

export async function dmarcCheck({ config, keys, world: { dns } }: Seen, domain: string): Promise<Finding[]> {
  const { ok, warning, wrong } = about(`DMARC of ${domain}`)
  const at = await dmarcPlace(domain, dns)
  if (!at) return [wrong(`there is none, which large receivers want to see. See "postern dns ${domain}"`)]
  if (at.records.length > 1) return [wrong(`there are ${at.records.length} records at _dmarc.${at.name}, so none counts: leave one`)]
  const [record = ''] = at.records
  const tags = dmarcTags(record)
  const policy = (at.name === domain ? tags?.get('p') : (tags?.get('sp') ?? tags?.get('p')))?.toLowerCase()
  if (!tags || policy === undefined || !POLICIES.includes(policy))
    return [wrong(`"${record}" makes no sense: it has to be like "v=DMARC1; p=quarantine"`)]
  const reports = (tags.get('rua') ?? '').split(',').map((uri) => uri.trim())
  const strange = reports.find((uri) => uri !== '' && !/^mailto:[^\s@!]+@[^\s@!]+(?:!\d+[kmgt]?)?$/i.test(uri))
  if (strange !== undefined) return [wrong(`rua has "${strange}", which is no mailto: address`)]
  const deaf = await notAgreed(reports, at.name, dns)
  if (deaf !== undefined)
    return [
      warning(
        `reports are to go to ${deaf}, which does not say that it takes them: it needs the TXT record ${at.name}._report._dmarc.${deaf} "v=DMARC1"`,
      ),
    ]
  if (missesReports(reports, config))
    return [warning(`reports do not come to ${config.reports?.to}, which "reports.to" names. See "postern dns ${domain}"`)]
  if (policy === 'none')
    return [
      warning(`p=none asks receivers for nothing${keys?.some((key) => key.domain === domain) ? ': make it quarantine, as mail is signed' : ''}`),
    ]
  return [ok(`${policy}${at.name === domain ? '' : `, by the record of ${at.name}`}`)]
}

/** Reports are collected, and these URIs lead elsewhere. */
const missesReports = (uris: readonly string[], { reports }: Seen['config']): boolean =>
  reports !== undefined && !uris.some((uri) => addressOf(uri) === reports.to)

function addressOf(uri: string): string | undefined {
  const [, address = ''] = /^mailto:([^\s!,?]+)/i.exec(uri) ?? []
  try {
    return canonical(decodeURIComponent(address))
  } catch {
    return undefined
  }
}

/** The domain's own, else that of a domain above it. */
async function dmarcPlace(domain: string, dns: Seen['world']['dns']): Promise<{ name: string; records: string[] } | undefined> {
  let name = domain
  for (let up = 0; up <= MAX_PARENTS && name.includes('.'); up++) {
    const records = await versioned(dns, `_dmarc.${name}`, /^v\s*=\s*DMARC1\b/i)
    if (records.length > 0) return { name, records }
    name = name.slice(name.indexOf('.') + 1)
  }
  return undefined
}

/** RFC 7489 §7.1: who gets another's reports has to agree. The first that does not. */
async function notAgreed(reports: readonly string[], domain: string, dns: Seen['world']['dns']): Promise<string | undefined> {
  for (const uri of reports.slice(0, 2)) {
    const host = uri
      .slice(uri.indexOf('@') + 1)
      .replace(/!.*$/, '')
      .toLowerCase()
    if (uri === '' || host === domain || domain.endsWith(`.${host}`) || host.endsWith(`.${domain}`)) continue
    if ((await versioned(dns, `${domain}._report._dmarc.${host}`, /^v\s*=\s*DMARC1\b/i)).length === 0) return host
  }
  return undefined
}

export async function mtaStsCheck({ config: { hostname }, certificate, world: { dns, policy } }: Seen, domain: string): Promise<Finding[]> {
  const { ok, warning, wrong } = about(`MTA-STS of ${domain}`)
  const records = (await ask(dns, `_mta-sts.${domain}`, 'TXT')).filter((record) => /^v\s*=\s*STSv1/i.test(record))
  if (records.length === 0) return [ok('none, and it need not be there')]
  if (stsIdOf(records) === undefined) return [wrong(`the TXT record at _mta-sts.${domain} makes no sense: it has to be one, like "v=STSv1; id=1"`)]
  try {
    const read = await policy(domain)
    const hosts = (await ask(dns, domain, 'MX')).map(({ exchange }) => exchange).filter((exchange) => exchange !== '')
    const outside = hosts.filter((host) => !isNamed(host, read))
    const says = read.mode === 'enforce' ? wrong : warning
    if (outside.length > 0 && read.mode !== 'none')
      return [
        says(
          `the policy does not name ${outside.join(', ')}: other servers ${read.mode === 'enforce' ? 'do not deliver there' : 'will not deliver there once it says "enforce"'}`,
        ),
      ]
    if (certificate?.selfSigned && read.mode !== 'none')
      return [says(`the policy wants a certificate of an authority, and that of ${hostname} is self-signed: set "tls" in the config`)]
    return read.mode === 'enforce'
      ? [ok('enforced')]
      : [warning(`its mode is "${read.mode}", which protects nobody: make it "enforce" when the reports are good`)]
  } catch (err) {
    return [wrong(`the record is there, and the policy cannot be had: ${messageOf(err)}`)]
  }
}

export async function tlsReportsCheck({ config, world: { dns } }: Seen, domain: string): Promise<Finding[]> {
  const { ok, warning, wrong } = about(`TLS-RPT of ${domain}`)
  const records = await versioned(dns, `_smtp._tls.${domain}`, /^v=TLSRPTv1/i)
  if (records.length === 0) return [ok('none, so nobody reports trouble with TLS')]
  const fine =
    records.length === 1 &&
    /^v=TLSRPTv1\s*;\s*rua\s*=\s*(?:mailto:[^\s@,;]+@[^\s@,;]+|https:\/\/[^\s,;]+)(?:\s*,\s*(?:mailto:|https:\/\/)[^\s,;]+)*\s*;?\s*$/.test(
      records[0]!,
    )
  const uris = (/rua\s*=\s*([^;]*)/.exec(records[0]!)?.[1] ?? '').split(',').map((uri) => uri.trim())
  if (fine && missesReports(uris, config))
    return [warning(`reports do not come to ${config.reports?.to}, which "reports.to" names. See "postern dns ${domain}"`)]
  return fine
    ? [ok('reports are asked for')]
    : [wrong(`"${records.join('", "')}" makes no sense: it has to be one, like "v=TLSRPTv1; rua=mailto:postmaster@${domain}"`)]
}
