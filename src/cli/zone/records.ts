/** The records that a domain and its mail host need, as a zone file has them (RFC 1035 §5.1), each with words on what it is for. */
import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { ServiceName } from '../../config/schema.ts'
import { LETS_ENCRYPT } from '../../config/tls.ts'
import { domainOf } from '../../mail/address.ts'
import { dkimRecord, dkimRecordName, quotedStrings } from '../../mail/dkim-record.ts'
import { type OwnStsPolicy, stsPolicyLines, stsRecord } from '../../mail/mta-sts.ts'
import type { Tlsa } from '../../net/dns/dns.ts'
import type { Setting, ShownCertificate } from './setting.ts'
import { hasWeb, namesOf, SETUP_NAMES, toBeAdded, WEB_PORT } from './web.ts'

export interface Entry {
  readonly words: string
  /** Lines of a zone file. */
  readonly records: readonly string[]
  /** Records that may be wanted, and are not to be loaded as they are. */
  readonly perhaps?: readonly string[]
}

const TTL = 3600

const line = (name: string, type: string, data: string): string => `${name}. ${TTL} IN ${type} ${data}`
const txt = (name: string, text: string): string => line(name, 'TXT', quotedStrings(text))

/** What stands in the zone of a domain whose mail is kept here. */
export function domainEntries(domain: string, setting: Setting): Entry[] {
  return [
    mx(domain, setting),
    spf(domain, setting),
    dkim(domain, setting),
    dmarc(domain, setting),
    tlsReports(domain, setting),
    ...reportsElsewhere(domain, setting),
    mtaSts(domain, setting),
    setUp(domain, setting),
  ].concat(...SRV.map((srv) => serviceEntry(domain, srv, setting)))
}

/** What stands in the zone that the host is in. */
export const hostEntries = (setting: Setting): Entry[] => [addresses(setting), helo(setting), tlsa(setting), caa(setting)]

function mx(domain: string, { config: { hostname }, ports }: Setting): Entry {
  const record = line(domain, 'MX', `10 ${hostname}.`)
  return ports.has('mx')
    ? { words: `MX: mail for ${domain} is brought to ${hostname}.`, records: [record] }
    : {
        words: 'MX: "listeners.mx" is off here. Name the host that takes mail from other servers and brings it here.',
        records: [],
        perhaps: [record],
      }
}

function spf(domain: string, { config: { relay, outbound } }: Setting): Entry {
  const strict = txt(domain, 'v=spf1 mx -all')
  const by = relay?.host ?? outbound?.routes?.find(({ host }) => host !== undefined)?.host
  if (outbound?.enabled === false)
    return { words: 'SPF: mail to other domains is refused here ("outbound.enabled"), so none of it comes from us.', records: [strict] }
  if (by === undefined) return { words: `SPF: only the MX hosts of ${domain} send its mail.`, records: [strict] }
  return {
    // What is loaded as it stands must not have mail refused.
    words: `SPF: who sends mail of ${domain}. Yours leaves by ${by}, too: its provider says which include: it wants. With that in it take the second line instead, which lets nobody else.`,
    records: [txt(domain, 'v=spf1 mx ~all')],
    perhaps: [txt(domain, `v=spf1 mx include:${by} -all`)],
  }
}

function dkim(domain: string, { keys }: Setting): Entry {
  const own = (keys ?? []).filter((key) => key.domain === domain)
  if (keys === undefined) return { words: 'DKIM: the database cannot be asked for the keys now.', records: [] }
  if (own.length === 0) return { words: `DKIM: ${domain} has no keys, so its mail is not signed. Make them: postern dkim add ${domain}`, records: [] }
  return {
    words: 'DKIM: the keys that sign its mail; each is used once its record can be looked up.',
    records: own.map(({ selector, privateKey }) => txt(dkimRecordName(domain, selector), dkimRecord(privateKey))),
  }
}

/** A policy that costs mail is for those whose mail is signed: what is forwarded passes by DKIM alone. */
function dmarc(domain: string, { keys, config }: Setting): Entry {
  const signed = keys?.some((key) => key.domain === domain) === true
  return {
    words: signed
      ? 'DMARC: what claims to be from here and proves it by neither DKIM nor SPF goes to the spam folder. With the DKIM records in place for a week or two and no surprises in the reports, p=reject.'
      : 'DMARC: p=none only asks for reports, as mail is not signed yet. With DKIM in place p=quarantine, which is what large receivers want to see.',
    records: [txt(`_dmarc.${domain}`, `v=DMARC1; p=${signed ? 'quarantine' : 'none'}; rua=${reportsTo(domain, config)}`)],
  }
}

const tlsReports = (domain: string, { config }: Setting): Entry => ({
  words: 'TLS-RPT: where other servers report trouble with TLS on the way here (RFC 8460).',
  records: [txt(`_smtp._tls.${domain}`, `v=TLSRPTv1; rua=${reportsTo(domain, config)}`)],
})

/** What a mailto URI of RFC 7489 §6.2 may not have as it is is percent-encoded: `!` and `,` mean something else there. */
function reportsTo(domain: string, { reports }: Setting['config']): string {
  if (!reports) return `mailto:postmaster@${domain}`
  const local = reports.to.slice(0, reports.to.lastIndexOf('@'))
  return `mailto:${encodeURIComponent(local).replaceAll('!', '%21')}@${domainOf(reports.to)}`
}

/** Where reports on other domains come to an address of this one, it has to agree (RFC 7489 §7.1). */
function reportsElsewhere(domain: string, { config: { reports, domains } }: Setting): Entry[] {
  if (!reports || domainOf(reports.to) !== domain) return []
  const others = domains.filter((other) => other !== domain && !other.startsWith('['))
  if (others.length === 0) return []
  return [
    {
      words: `DMARC: reports on other domains come to an address of ${domain} ("reports.to"), and it says that it wants them.`,
      records: others.map((other) => txt(`${other}._report._dmarc.${domain}`, 'v=DMARC1')),
    },
  ]
}

/** RFC 8461 §3: a record, and a file by HTTPS. */
function mtaSts(domain: string, setting: Setting): Entry {
  const { hostname, mta_sts: mode = 'testing' } = setting.config
  const name = `mta-sts.${domain}`
  const policy: OwnStsPolicy = { mode, mx: [hostname] }
  const record = txt(`_mta-sts.${domain}`, stsRecord(policy))
  if (!hasWeb(setting) || !setting.ports.has('mx'))
    return {
      words: `MTA-STS: only if you have a web server for it, which Postern is not ("listeners.https", "listeners.mx"): the record, and what https://${name}/.well-known/mta-sts.txt has to say, as text/plain ("mode: enforce" when the reports are good; the id changes with the text).`,
      records: [],
      perhaps: [record, ...stsPolicyLines(policy)],
    }
  const records = [line(name, 'CNAME', `${hostname}.`), record]
  if (toBeAdded([name], setting).length > 0)
    return {
      words: `MTA-STS: that mail is brought here over TLS with a valid certificate only. First have the certificate made for ${name} too, by an authority: others ask there for the policy.`,
      records: [],
      perhaps: records,
    }
  const next = mode === 'testing' ? ' Set "mta_sts: enforce" in the config when the reports are good, and put the new record here.' : ''
  return {
    words: `MTA-STS: how mail for ${domain} is to be brought here ("mta_sts": ${mode}); the policy itself is served at ${name}.${next}`,
    records,
  }
}

/**
 * Where mail programs look before they guess: Thunderbird's autoconfig, Outlook's Autodiscover. By its SRV record Autodiscover finds the host under its own name, for which the
 * certificate is in any case; Outlook asks its user then whether that is right.
 */
function setUp(domain: string, setting: Setting): Entry {
  const names = namesOf(SETUP_NAMES, domain)
  const { hostname } = setting.config
  const alias = (name: string): string => line(name, 'CNAME', `${hostname}.`)
  const srv = line(`_autodiscover._tcp.${domain}`, 'SRV', `0 1 ${WEB_PORT} ${hostname}.`)
  if (!hasWeb(setting))
    return {
      words: `Set-up: ${setting.ports.has('https') ? `"listeners.https" is on port ${setting.ports.get('https')} here` : '"listeners.https" is off here'}, and mail programs look on ${WEB_PORT}: the server there would have to pass these names on.`,
      records: [],
      perhaps: [srv, ...names.map(alias)],
    }
  const missing = toBeAdded(names, setting)
  return {
    words: `Set-up: where Thunderbird, Outlook and others ask for the settings of ${domain}, and find them by address and password alone.${missing.length > 0 ? ` What is commented out is for when the certificate is made for ${missing.join(' and ')} too.` : ''}`,
    records: [srv, ...names.filter((name) => !missing.includes(name)).map(alias)],
    perhaps: missing.map(alias),
  }
}

export interface Srv {
  readonly label: string
  /** undefined: nothing here ever is that. */
  readonly service: ServiceName | undefined
  /** IMAP is what a mail program is to prefer where it can have both (RFC 6186 §3.3). */
  readonly priority: number
  readonly what: string
}

/** RFC 6186 §3, RFC 8314 §5.1. */
export const SRV: readonly Srv[] = [
  { label: '_submissions._tcp', service: 'submissions', priority: 0, what: 'sending mail, TLS' },
  { label: '_submission._tcp', service: 'submission', priority: 0, what: 'sending mail, STARTTLS' },
  { label: '_imaps._tcp', service: 'imaps', priority: 0, what: 'IMAP, TLS' },
  { label: '_imap._tcp', service: undefined, priority: 0, what: 'IMAP without TLS from the first byte' },
  { label: '_pop3s._tcp', service: 'pop3s', priority: 10, what: 'POP3, TLS' },
  { label: '_pop3._tcp', service: 'pop3', priority: 10, what: 'POP3, STLS' },
]

function serviceEntry(domain: string, { label, service, priority, what }: Srv, { config: { hostname }, ports }: Setting): Entry {
  const port = service && ports.get(service)
  return port === undefined
    ? { words: `SRV: ${what}: not here, and mail programs need not try.`, records: [line(`${label}.${domain}`, 'SRV', '0 0 0 .')] }
    : { words: `SRV: where mail programs find ${what}.`, records: [line(`${label}.${domain}`, 'SRV', `${priority} 1 ${port} ${hostname}.`)] }
}

function addresses({ config: { hostname }, addresses: own }: Setting): Entry {
  const words = `A, AAAA: where ${hostname} is. Have the provider of each address set its reverse name (PTR) to ${hostname}.`
  if (own.length === 0)
    return {
      words: `${words} This machine has no public address of its own: put the one that your router or provider shows.`,
      records: [],
      perhaps: [line(hostname, 'A', '192.0.2.1'), line(hostname, 'AAAA', '2001:db8::1')],
    }
  return { words, records: own.map((address) => line(hostname, isIPv4(address) ? 'A' : 'AAAA', address)) }
}

/** RFC 7208 §2.3: the name of EHLO, which is all that a report about undelivered mail has. */
const helo = ({ config: { hostname, domains } }: Setting): Entry =>
  domains.includes(hostname)
    ? { words: `SPF of the host's own name is that of the domain ${hostname}, above.`, records: [] }
    : { words: `SPF of the host's own name: reports of undelivered mail have no other sender.`, records: [txt(hostname, 'v=spf1 a -all')] }

/** DANE-EE, the key, SHA-256: RFC 7672 §3.1.1. */
export const tlsaOf = ({ leaf }: ShownCertificate): Tlsa => ({
  usage: 3,
  selector: 1,
  matchingType: 1,
  certificate: createHash('sha256')
    .update(leaf.publicKey.export({ type: 'spki', format: 'der' }))
    .digest(),
})

function tlsa({ config: { hostname, tls }, certificate, ports }: Setting): Entry {
  if (tls?.acme && certificate?.selfSigned !== false)
    return { words: 'TLSA: not before the certificate by ACME is here, which has another key than the self-signed one: see then.', records: [] }
  if (!certificate) return { words: 'TLSA: there is no certificate yet; the first start makes one.', records: [] }
  const { usage, selector, matchingType, certificate: digest } = tlsaOf(certificate)
  const record = line(`_25._tcp.${hostname}`, 'TLSA', `${usage} ${selector} ${matchingType} ${digest.toString('hex')}`)
  const words =
    'TLSA: the key that this server shows on port 25 (DANE). It counts only in a zone that DNSSEC signs, and a new key needs its record two days before it is used; have renewals keep the key (by ACME they do; certbot: --reuse-key).'
  return ports.has('mx') ? { words, records: [record] } : { words, records: [], perhaps: [record] }
}

/** By the organisation that its certificates name. */
const ISSUERS: readonly (readonly [RegExp, string])[] = [
  [/O=Let's Encrypt/, 'letsencrypt.org'],
  [/O=(?:ZeroSSL|Sectigo)/, 'sectigo.com'],
  [/O=Google Trust Services/, 'pki.goog'],
  [/O=DigiCert/, 'digicert.com'],
]

/** RFC 8659 §4.2. */
function caa({ config: { hostname, tls }, certificate }: Setting): Entry {
  const isKnown = !tls?.acme || certificate?.selfSigned === false || tls.acme.directory === LETS_ENCRYPT
  if (!isKnown) return { words: 'CAA: see when the certificate by ACME is here; its authority says which name the record has to have.', records: [] }
  const [, issuer = 'letsencrypt.org'] = ISSUERS.find(([name]) => certificate && name.test(certificate.leaf.issuer)) ?? []
  return {
    words: 'CAA: if you want it, the one authority that may give certificates for this name; no other does then.',
    records: [],
    perhaps: [line(hostname, 'CAA', `0 issue "${issuer}"`)],
  }
}
