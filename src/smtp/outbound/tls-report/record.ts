/** Where a domain wants reports on TLS: the TXT record at `_smtp._tls`. RFC 8460 §3. */
import { isIP } from 'node:net'
import { canonicalDomain, formatAddrSpec, parseAddrSpec } from '../../../mail/address.ts'

/** Addresses of one domain that are told. */
const MAX_ADDRESSES = 4
const MAX_URI = 1_000

export const tlsReportName = (domain: string): string => `_smtp._tls.${domain}`

/** URIs that this server can tell something. Records of other kinds do not count, two of this kind are none. */
export function reportAddresses(records: readonly string[]): string[] {
  const ours = records.filter((record) => /^v=TLSRPTv1[ \t]*;/.test(record))
  if (ours.length !== 1) return []
  const fields = ours[0]!.split(';').map((field) => field.trim())
  const rua = fields.filter((field) => /^rua[ \t]*=/.test(field))
  if (rua.length !== 1) return []
  const uris = rua[0]!
    .slice(rua[0]!.indexOf('=') + 1)
    .split(',')
    .map((uri) => uri.trim())
  return [...new Set(uris)].filter((uri) => uri.length <= MAX_URI && (mailAddress(uri) ?? webAddress(uri)) !== undefined).slice(0, MAX_ADDRESSES)
}

/** Of `mailto:`, without what it would have us write into the header; ASCII. */
export function mailAddress(uri: string): { readonly address: string; readonly domain: string } | undefined {
  const [, given] = /^mailto:([^?#]+)(?:[?#].*)?$/i.exec(uri) ?? []
  const spec = parseAddrSpec(decoded(given ?? ''))
  const domain = spec && canonicalDomain(spec.domain)
  if (!spec || !domain || domain.startsWith('[')) return undefined
  const address = formatAddrSpec({ local: spec.local, domain })
  return /^[\x21-\x7e]+$/.test(address) ? { address, domain } : undefined
}

/** Of at least two labels: URLs allow more than the DNS has. */
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/

/** Of `https:`, by a name and at the usual port: no URI of a stranger's has us knock at other doors. */
export function webAddress(uri: string): { readonly host: string; readonly path: string } | undefined {
  if (!/^https:\/\//i.test(uri) || !URL.canParse(uri)) return undefined
  const { hostname, port, username, password, pathname, search } = new URL(uri)
  if (port !== '' || username !== '' || password !== '' || isIP(hostname) !== 0 || !NAME.test(hostname)) return undefined
  return { host: hostname, path: `${pathname}${search}` }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
