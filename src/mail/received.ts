/** The Received line that a server puts on top of a message. RFC 5321 §4.4, RFC 3848 for the protocol's name. */
import { formatDate } from './date.ts'

export interface Hop {
  /** What the client said in EHLO. */
  readonly helo: string
  /** Its address; undefined where it is not to be told. */
  readonly remote?: string | undefined
  /** The name its address resolves to, where that was checked. */
  readonly reverse?: string | undefined
  /** This host. */
  readonly by: string
  readonly protocol: 'SMTP' | 'ESMTP' | 'ESMTPS' | 'ESMTPA' | 'ESMTPSA' | 'LMTP' | 'LMTPS' | 'UTF8SMTP' | 'UTF8SMTPS' | 'UTF8SMTPA' | 'UTF8SMTPSA'
  /** By which the log tells of this delivery. */
  readonly id: string
  /** Named only where there is one, so that none learns of another. */
  readonly recipient?: string | undefined
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  readonly tls?: string | undefined
  /** Milliseconds since 1970. */
  readonly time: number
}

const MAX_LINE = 78
const MAX_WORD = 255

/** The field with its CRLF, as UTF-8 text; lines of at most 78 characters unless one word is longer. Nothing from outside can end or begin a line. */
export function formatReceived(hop: Hop): string {
  const peer = peerOf(hop)
  const tls = hop.tls ? `(${plain(hop.tls, /[^A-Za-z0-9._ -]/g)})`.split(' ') : []
  const words = [
    'Received: from',
    domain(hop.helo),
    ...peer,
    'by',
    domain(hop.by),
    'with',
    hop.protocol,
    ...tls,
    'id',
    plain(hop.id, /[^A-Za-z0-9._-]/g),
  ]
  const recipient = path(hop)
  if (recipient) words.push('for', recipient)
  words[words.length - 1] += ';'
  return fold([...words, formatDate(hop.time)])
}

function peerOf({ reverse, remote }: Hop): string[] {
  if (remote === undefined) return []
  return reverse ? [`(${domain(reverse)}`, `${literal(remote)})`] : [`(${literal(remote)})`]
}

/** A host name or address literal; `unknown` for what is neither. */
const domain = (name: string): string => plain(name, /[^A-Za-z0-9._:[\]-]/g) || 'unknown'

/** RFC 5321 §4.1.3. */
function literal(address: string): string {
  const text = plain(address, /[^0-9A-Fa-f:.]/g) || 'unknown'
  return `[${text.includes(':') ? 'IPv6:' : ''}${text}]`
}

/** The recipient in angle brackets, where its characters may stand in this header: 8-bit ones only in internationalised mail (RFC 6531 §3.7.3). */
function path({ recipient, protocol }: Hop): string | undefined {
  if (!recipient || recipient.length > MAX_WORD || /[\p{Cc}\p{Zl}\p{Zp}<>()\s]/u.test(recipient)) return undefined
  return /^[\x21-\x7e]+$/.test(recipient) || protocol.startsWith('UTF8') ? `<${recipient}>` : undefined
}

const plain = (text: string, foreign: RegExp): string => text.slice(0, MAX_WORD).replace(foreign, '?')

/** As many words on a line as it may hold. */
function fold(words: readonly string[]): string {
  let out = ''
  let line = ''
  for (const word of words) {
    if (line === '') line = word
    else if (line.length + 1 + word.length <= MAX_LINE) line += ` ${word}`
    else {
      out += `${line}\r\n`
      line = `\t${word}`
    }
  }
  return `${out}${line}\r\n`
}
