/** What signatures speak of in the header, and how they are written: RFC 6376 §3.4.2, §3.5, §5.4; RFC 8463. */
import { createHash, type KeyObject, sign } from 'node:crypto'
import { headerFields } from './header.ts'

/** What is signed wherever it stands. Not signed is what servers on the way add or change. */
export const SIGNED: readonly string[] = [
  ...['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'in-reply-to', 'references'],
  ...['mime-version', 'content-type', 'content-transfer-encoding', 'content-disposition', 'list-id', 'list-unsubscribe', 'list-unsubscribe-post'],
  // RFC 8460 §5.3, RFC 8689 §3.
  ...['tls-report-domain', 'tls-report-submitter', 'tls-required'],
]
/** What a reader is shown, or an answer goes by: signed once more than it is there, so that nobody can add another (RFC 6376 §8.15). */
const CLOSED: ReadonlySet<string> = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'content-type'])
const WIDTH = 76

export interface SignedFields {
  /** h= */
  readonly names: readonly string[]
  /** In relaxed form, in the order of h=, without line ends. */
  readonly lines: readonly string[]
}

/** Of several fields of one name the last one is first (RFC 6376 §5.4.2). */
export function signedFields(block: Buffer, wanted: readonly string[] = SIGNED): SignedFields {
  const byName = new Map<string, string[]>()
  for (const { name, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (wanted.includes(name)) byName.set(name, [relaxed(name, block.toString('latin1', value, to)), ...(byName.get(name) ?? [])])
  }
  const fields = wanted.map((name) => ({ name, found: byName.get(name) ?? [] }))
  return {
    names: fields.flatMap(({ name, found }) => [...found.map(() => name), ...(CLOSED.has(name) ? [name] : [])]),
    lines: fields.flatMap(({ found }) => found),
  }
}

/** RFC 6376 §3.4.2, without a line end. `name` in lower case. */
export const relaxed = (name: string, value: string): string =>
  `${name}:${value
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    // Nothing but these: an octet of a character may be white space to others.
    .replace(/^ | $/g, '')}`

/** The same of a whole field, each octet a character. */
export function relaxedField(field: string): string {
  const colon = field.indexOf(':')
  return relaxed(
    field
      .slice(0, colon)
      .replace(/[ \t]+$/, '')
      .toLowerCase(),
    field.slice(colon + 1),
  )
}

export const algorithmOf = (key: KeyObject): 'rsa-sha256' | 'ed25519-sha256' =>
  key.asymmetricKeyType === 'ed25519' ? 'ed25519-sha256' : 'rsa-sha256'

/**
 * The field with CRLF. Its tags, the last of which has to be `b=` and empty, and the lines before it in what is signed, in relaxed form.
 */
export function signedField(name: string, tags: readonly string[], lines: readonly string[], key: KeyObject): string {
  const unsigned = fold(`${name}: ${tags.join('; ')}`)
  const signature = signOctets(key, Buffer.from([...lines, relaxedField(unsigned)].join('\r\n'), 'latin1'))
  return `${unsigned}${signature.toString('base64').replace(/.{1,72}/g, '\r\n\t$&')}\r\n`
}

/** Ed25519 signs the digest (RFC 8463 §3). */
const signOctets = (key: KeyObject, octets: Buffer): Buffer =>
  key.asymmetricKeyType === 'ed25519' ? sign(null, createHash('sha256').update(octets).digest(), key) : sign('sha256', octets, key)

/** Lines of bearable length; h= may be broken at its colons. */
function fold(line: string): string {
  let out = ''
  let width = 0
  for (const word of line.match(/[^ :]+[ :]?|[ :]/g) ?? []) {
    if (width > 0 && width + word.length > WIDTH) {
      out += '\r\n\t'
      width = 1
    }
    out += word
    width += word.length
  }
  return out.replace(/ \r\n/g, '\r\n')
}
