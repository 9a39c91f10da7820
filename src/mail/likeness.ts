/**
 * Whether two copies of a message are of one message: the same Message-ID (RFC 5322 §3.6.4), writers, subject and text. A program that keeps what it sent may add fields of its
 * own, keep a Bcc that it did not send, date it a moment later, and cut its parts apart by other boundaries. Whatever else differs is another text, and worth keeping.
 */
import { createHash } from 'node:crypto'
import { mailboxesOf, parseAddressList } from './address-list.ts'
import { parseDate } from './date.ts'
import { RelaxedBody } from './dkim-body.ts'
import { collectFields } from './header.ts'
import { messageIds } from './message-ids.ts'
import { decodeWords } from './words.ts'

const LF = 10
const DASH = 45
/** Octets of a line in which a boundary is looked for; RFC 5322 §2.1.1 has 998. */
const MAX_LINE = 1000
/** Boundaries of one message that are looked for, and characters of one: RFC 2046 §5.1.1. */
const MAX_BOUNDARIES = 100
const BOUNDARY = /boundary[ \t]*=[ \t]*(?:"([^"]{1,70})"|([^\s";]{1,70}))/i
const FIELDS: ReadonlySet<string> = new Set(['message-id', 'from', 'subject', 'date', 'content-type'])

const sha256 = (text: string | Buffer): Buffer => createHash('sha256').update(text).digest()

export class Likeness {
  /** A hash of the Message-ID. */
  readonly messageId: Buffer
  /** Milliseconds since 1970, as the message says; undefined: it does not. */
  readonly date: number | undefined
  readonly #hash = createHash('sha256')
  readonly #body: RelaxedBody
  readonly #boundaries = new Set<string>()
  /** The beginning of a line. */
  #rest: Buffer = Buffer.alloc(0)

  private constructor(messageId: string, fields: ReturnType<typeof collectFields>) {
    const [from = '', subject = '', date = '', type = ''] = ['from', 'subject', 'date', 'content-type'].map((name) => fields.get(name)?.[0])
    this.messageId = sha256(messageId)
    this.date = parseDate(date)?.time
    const writers = mailboxesOf(parseAddressList(from)).map(({ local, domain }) => `${local}@${domain}`.toLowerCase())
    this.#hash.update(JSON.stringify([messageId, writers, decodeWords(subject).replace(/\s+/g, ' ')]))
    this.#note(BOUNDARY.exec(type))
    this.#body = new RelaxedBody((octets) => this.#take(octets))
  }

  /** undefined: the header has no Message-ID to know it by, or several. */
  static of(header: Buffer): Likeness | undefined {
    const fields = collectFields(header, FIELDS)
    const named = fields.get('message-id') ?? []
    const [id, ...more] = messageIds(named[0] ?? '', 2)
    return id === undefined || more.length > 0 || named.length > 1 ? undefined : new Likeness(id, fields)
  }

  /** The body, in any pieces. */
  write(octets: Uint8Array): void {
    this.#body.write(octets)
  }

  /** After the last octet: equal for two copies of one message. */
  digest(): Buffer {
    this.#body.end()
    this.#lines(this.#rest)
    return this.#hash.digest()
  }

  #take(octets: Buffer): void {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, octets]) : octets
    const end = all.lastIndexOf(LF) + 1
    // A line that is longer than any is not kept for its end.
    const cut = all.length - end > MAX_LINE ? all.length : end
    this.#lines(all.subarray(0, cut))
    this.#rest = Buffer.from(all.subarray(cut))
  }

  /** Hashes them, without what they say of boundaries. */
  #lines(lines: Buffer): void {
    if (this.#boundaries.size === 0) {
      this.#hash.update(lines)
      return
    }
    let from = 0
    for (let at = 0; at < lines.length; ) {
      const lf = lines.indexOf(LF, at)
      const end = lf < 0 ? lines.length : lf + 1
      const kept = this.#without(lines, at, end)
      if (kept !== undefined) {
        this.#hash.update(lines.subarray(from, at)).update(kept)
        from = end
      }
      at = end
    }
    this.#hash.update(lines.subarray(from))
  }

  /** undefined: the line is kept as it is. */
  #without(lines: Buffer, from: number, to: number): string | undefined {
    if (to - from > MAX_LINE) return undefined
    if (lines[from] === DASH && lines[from + 1] === DASH) {
      const text = lines.toString('latin1', from + 2, to).trimEnd()
      return this.#boundaries.has(text) || (text.endsWith('--') && this.#boundaries.has(text.slice(0, -2))) ? '' : undefined
    }
    const found = lines.subarray(from, to).includes('=') ? BOUNDARY.exec(lines.toString('latin1', from, to)) : null
    if (!found) return undefined
    this.#note(found)
    return found.input.replace(found[0], '')
  }

  #note(found: RegExpExecArray | null): void {
    const boundary = found?.[1] ?? found?.[2]
    if (boundary !== undefined && this.#boundaries.size < MAX_BOUNDARIES) this.#boundaries.add(boundary)
  }
}
