/**
 * Addresses: the one parser for envelope, header and storage, so that no two parts of the server can disagree about who is meant.
 * Text is a JS string, or the bytes of a header with each byte a character: everything from U+0080 on is a letter (RFC 6531, RFC 6532).
 */
import { domainToASCII } from 'node:url'

/** Octets (UTF-8) of a local part. deviation: RFC 5321 §4.5.3.1.1 says 64; bounce addresses of large senders are longer. */
export const MAX_LOCAL_BYTES = 128
/** Octets of a domain in A-label form. RFC 1035 §2.3.4. */
export const MAX_DOMAIN_BYTES = 253

/** What stands before and after the `@`, as written: the local part unquoted, the domain in whatever form. */
export interface AddrSpec {
  readonly local: string
  readonly domain: string
}

/** `local@domain` alone, as in an SMTP path (RFC 5321 §4.1.2) without comments or white space; undefined if it is anything else. */
export function parseAddrSpec(text: string): AddrSpec | undefined {
  const at = text.startsWith('"') ? quotedEnd(text) : text.indexOf('@')
  if (at <= 0 || text[at] !== '@') return undefined
  const local = text.startsWith('"') ? unquote(text.slice(1, at - 1)) : text.slice(0, at)
  const domain = text.slice(at + 1)
  if (local === '' || (!text.startsWith('"') && !isAtext(local, true))) return undefined
  return domain === '' ? undefined : { local, domain }
}

/**
 * The form under which addresses are stored and compared: domain in A-labels and lower case, local part NFC and lower case, quoted only where it
 * must be. Undefined for what is no address or holds control, format or strange space characters. canonical(canonical(x)) = canonical(x).
 */
export function canonical(address: string): string | undefined {
  const spec = parseAddrSpec(address)
  if (!spec) return undefined
  // deviation: RFC 5321 §2.4 leaves the case of a local part to its host. No host that people use tells `Ann` from `ann`.
  const local = spec.local.normalize('NFC').toLowerCase().normalize('NFC')
  const domain = canonicalDomain(spec.domain)
  if (!domain || !local.isWellFormed() || UNSAFE.test(local) || Buffer.byteLength(local) > MAX_LOCAL_BYTES) return undefined
  return formatAddrSpec({ local, domain })
}

/** A host name or address literal: lower case, U-labels as A-labels; undefined if it is none. RFC 5321 §4.1.3, RFC 5891. */
export function canonicalDomain(domain: string): string | undefined {
  if (domain.length > 4 * MAX_DOMAIN_BYTES) return undefined
  if (domain.startsWith('[')) return isLiteral(domain) ? domain.toLowerCase() : undefined
  // domainToASCII is a URL's host parser: it reads `0x7f.1` as IPv4 and `%41` as `A`, drops TAB and LF, and ends at `/` or `#`.
  const ascii = isAscii(domain) ? domain.toLowerCase() : hasForeignAscii(domain) ? '' : domainToASCII(domain)
  return isHostName(ascii) ? ascii : undefined
}

/** `ann+tag@example.org` → `ann@example.org`: a canonical address without its subaddress (RFC 5233); others come back as they are. */
export function withoutTag(address: string): string {
  const spec = parseAddrSpec(address)
  const plus = spec?.local.indexOf('+') ?? -1
  return spec && plus > 0 ? formatAddrSpec({ local: spec.local.slice(0, plus), domain: spec.domain }) : address
}

/** The domain of a canonical address; '' if there is none. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf('@') // a domain never holds an @, a quoted local part may
  return at < 0 ? '' : address.slice(at + 1)
}

/** `local@domain`, the local part quoted where RFC 5321 §4.1.2 wants it. */
export function formatAddrSpec({ local, domain }: AddrSpec): string {
  return `${isDotAtom(local) ? local : quote(local)}@${domain}`
}

/** `"text"` with `"` and `\` escaped. RFC 5322 §3.2.4. */
export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** The text between the quotes of a quoted string, its escapes undone. */
export function unquote(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, '$1') : text
}

/** Control and format characters, line ends and every space but U+0020: none belongs in the name of a mailbox. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u

const ATEXT = new Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~")

function isAtext(text: string, dots: boolean): boolean {
  for (const c of text) if (!ATEXT.has(c) && c < '\x80' && !(dots && c === '.')) return false
  return true
}

const isDotAtom = (local: string): boolean => isAtext(local, true) && local.split('.').every((atom) => atom !== '')

/** Index after the closing quote of a text that starts with one, or -1. */
function quotedEnd(text: string): number {
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return -1
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

/** Is there an ASCII character that no host name has? */
function hasForeignAscii(text: string): boolean {
  return /[^A-Za-z0-9._\-\u0080-\uffff]/.test(text) || UNSAFE.test(text)
}

/** Letters, digits, hyphens and (seen in the wild) underscores; not all digits at the end, for that would be an IPv4 address. */
function isHostName(name: string): boolean {
  if (name === '' || name.length > MAX_DOMAIN_BYTES) return false
  const labels = name.split('.')
  return labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)) && !/^[0-9]+$/.test(labels.at(-1)!)
}

const isLiteral = (domain: string): boolean => domain.length <= 64 && /^\[[A-Za-z0-9:.-]+\]$/.test(domain)
