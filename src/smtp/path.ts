/** The arguments of MAIL FROM and RCPT TO: a path and ESMTP parameters. RFC 5321 §4.1.2. */
import { canonical, canonicalDomain, formatAddrSpec, parseAddrSpec } from '../mail/address.ts'
import { Reply } from './reply.ts'

/** Parameters of one command. */
const MAX_PARAMETERS = 10

export type Verb = 'MAIL FROM' | 'RCPT TO'

export interface PathCommand {
  /** `local@domain`, the domain in A-labels and lower case, the local part as it was written; '' for `<>`; `postmaster` for a bare one in RCPT. */
  readonly address: string
  /** Upper-case names, each of them among those allowed; `true`: no value. */
  readonly parameters: ReadonlyMap<string, string | true>
}

export interface PathRules {
  /** client: Outlook writes `MAIL FROM: <a@b>`, which RFC 5321 §3.3 forbids. */
  readonly spaceBeforePath: boolean
  /** Parameters that are understood; others get 555. */
  readonly parameters: ReadonlySet<string>
}

/** Throws Reply 501 for bad syntax, 553 for an address that cannot be one, 555 for an unknown parameter. */
export function parsePathCommand(line: Uint8Array, verb: Verb, rules: PathRules): PathCommand {
  const text = decode(line)
  const prefix = `${verb}:`
  if (text.slice(0, prefix.length).toUpperCase() !== prefix) throw new Reply(501, '5.5.4', `Syntax: ${verb}:<address>`)
  let at = prefix.length
  if (rules.spaceBeforePath) while (text[at] === ' ') at++
  const end = text[at] === '<' ? pathEnd(text, at + 1) : -1
  if (end < 0) throw new Reply(501, '5.5.4', `Syntax: ${verb}:<address>`)
  const parameters = parseParameters(text.slice(end + 1), rules.parameters)
  return { address: addressOf(text.slice(at + 1, end), verb), parameters }
}

function decode(line: Uint8Array): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line)
  } catch {
    throw new Reply(501, '5.5.2', 'The command is not UTF-8')
  }
  if (/[\0-\x1f\x7f-\x9f]/.test(text)) throw new Reply(501, '5.5.2', 'Control characters are not allowed here')
  return text
}

/** Index of the `>` that ends the path; one within a quoted string does not. */
function pathEnd(text: string, from: number): number {
  let quoted = false
  for (let i = from; i < text.length; i++) {
    const c = text[i]
    if (quoted && c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if (!quoted && c === '>') return i
    else if (!quoted && (c === '<' || c === ' ')) return -1
  }
  return -1
}

/** `@a,@b:user@c` is `user@c`: RFC 5321 appendix C, accepted and ignored. */
function withoutRoute(path: string): string {
  if (!path.startsWith('@')) return path
  const colon = path.indexOf(':')
  return colon < 0 ? path : path.slice(colon + 1)
}

function addressOf(written: string, verb: Verb): string {
  if (written === '' && verb === 'MAIL FROM') return ''
  const path = withoutRoute(written)
  // RFC 5321 §4.1.1.3: without a domain it is the postmaster of this server.
  if (verb === 'RCPT TO' && path.toLowerCase() === 'postmaster') return 'postmaster'
  const spec = canonical(path) === undefined ? undefined : parseAddrSpec(path)
  const domain = spec && canonicalDomain(spec.domain)
  if (spec === undefined || domain === undefined) {
    throw verb === 'MAIL FROM' ? new Reply(553, '5.1.7', 'That is no address to send from') : new Reply(553, '5.1.3', 'That is no address to send to')
  }
  return formatAddrSpec({ local: spec.local, domain })
}

function parseParameters(text: string, allowed: ReadonlySet<string>): Map<string, string | true> {
  const parameters = new Map<string, string | true>()
  if (text === '') return parameters
  if (!text.startsWith(' ')) throw new Reply(501, '5.5.4', 'A space belongs between address and parameters')
  for (const word of text.split(' ')) {
    if (word === '') continue
    const equals = word.indexOf('=')
    const name = (equals < 0 ? word : word.slice(0, equals)).toUpperCase()
    if (!allowed.has(name)) throw new Reply(555, '5.5.4', 'A parameter is not supported')
    if (parameters.has(name) || parameters.size >= MAX_PARAMETERS) throw new Reply(501, '5.5.4', `${name} twice`)
    if (equals === word.length - 1) throw new Reply(501, '5.5.4', `${name} without a value`)
    parameters.set(name, equals < 0 ? true : word.slice(equals + 1))
  }
  return parameters
}

/** Whether it takes SMTPUTF8 to write this address in a command. RFC 6531 §3.4. */
export const needsUtf8 = (address: string): boolean => /[^\0-\x7f]/.test(address)
