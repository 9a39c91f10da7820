/** Authentication-Results: what this server found out about a message, and what others say that it did. RFC 8601. */
import { canonicalDomain } from './address.ts'
import { looseFields } from './loose-fields.ts'

/** Octets of one value; a longer one is left out. */
const MAX_VALUE = 255
/** Octets of an authserv-id in quotes. */
const MAX_ID = 1024
/** Of a line with one result, as long as it is one. */
const WIDTH = 200
const NAME = /^[\0-\x20]*authentication-results[\0-\x20]*:/i
const ANY = /authentication-results/i
const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/

export interface MethodResult {
  readonly method: string
  readonly result: string
  /** For people. */
  readonly comment?: string | undefined
  /** `smtp.mailfrom`, `header.d`, …; those without a value are left out. */
  readonly properties?: Readonly<Record<string, string | undefined>>
}

/** The field with CRLF. RFC 8601 §2.2. */
export const authenticationResults = (authservId: string, results: readonly MethodResult[]): string =>
  `Authentication-Results: ${resultsPayload(authservId, results)}\r\n`

/** The value of that field and of its like, one line for each result. */
export function resultsPayload(authservId: string, results: readonly MethodResult[]): string {
  const lines = results.map(({ method, result, comment, properties = {} }) => {
    const values = Object.entries(properties).flatMap(([name, value]) => (value && value.length <= MAX_VALUE ? [`${name}=${written(value)}`] : []))
    const words = [`${method}=${result}`, ...(comment ? [`(${harmless(comment).replace(/[()\\]/g, ' ')})`] : []), ...values]
    return words.join(words.reduce((n, word) => n + word.length, 0) > WIDTH ? '\r\n\t' : ' ')
  })
  return [authservId, ...(lines.length > 0 ? lines : ['none'])].join(';\r\n\t')
}

const harmless = (text: string): string =>
  text
    .slice(0, MAX_VALUE)
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()

const written = (value: string): string => (TOKEN.test(value) ? value : `"${harmless(value).replace(/["\\]/g, '\\$&')}"`)

/**
 * The block without fields that say they were written by this server, whatever their case, folding and comments (RFC 8601 §5), and without those of which it cannot be told
 * who wrote them. The block itself if there is none.
 */
export function withoutResultsOf(authservId: string, block: Buffer): Buffer {
  // Most mail has none.
  if (!ANY.test(block.toString('latin1'))) return block
  const kept: Buffer[] = []
  let from = 0
  for (const { at, next, text } of looseFields(block)) {
    if (!isForged(text, authservId)) continue
    kept.push(block.subarray(from, at))
    from = next
  }
  return from === 0 ? block : Buffer.concat([...kept, block.subarray(from)])
}

function isForged(field: string, authservId: string): boolean {
  const name = NAME.exec(field)
  if (!name) return false
  const id = authservIdOf(field.slice(name[0].length))
  return id === undefined || id === '' || sameHost(id, authservId)
}

function sameHost(id: string, own: string): boolean {
  const plain = Buffer.from(id, 'latin1').toString().replace(/\.$/, '')
  return plain.toLowerCase() === own || canonicalDomain(plain) === own
}

/** The first word of the value, after comments; undefined where there is none, or something does not end. */
function authservIdOf(value: string): string | undefined {
  let at = 0
  for (;;) {
    while (at < value.length && value.charCodeAt(at) <= 0x20) at++
    if (value[at] !== '(') break
    const end = commentEnd(value, at)
    if (end === undefined) return undefined
    at = end
  }
  if (value[at] === '"') {
    const [, inside] = /^"((?:[^"\\]|\\[\s\S])*)"/.exec(value.slice(at, at + MAX_ID)) ?? []
    return inside?.replace(/\\([\s\S])/g, '$1').replace(/[\r\n]/g, '')
  }
  return /^[^\0-\x20;("/]*/.exec(value.slice(at))![0]
}

function commentEnd(value: string, start: number): number | undefined {
  let depth = 0
  for (let at = start; at < value.length; at++) {
    if (value[at] === '\\') at++
    else if (value[at] === '(') depth++
    else if (value[at] === ')' && --depth === 0) return at + 1
  }
  return undefined
}
