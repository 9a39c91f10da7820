/** The octets of messages for RETR and TOP, read ahead for a client that asks for one after the other and waits for each. */
import type { ContentColumn, ContentRow, MailStore } from '../store/mailstore.ts'
import type { Entry, Maildrop } from './maildrop.ts'
import { No } from './reply.ts'

/** Messages that one read-ahead goes through; the store bounds the octets. */
const AHEAD = 500
const LF = 10

interface Run {
  readonly entries: readonly Entry[]
  readonly rows: AsyncIterator<ContentRow>
  at: number
}

/** Rows of messages one by one. Whoever asks for the message after the one before is taken to go on so, and the next ones are read meanwhile. */
export class ReadAhead {
  readonly #store: MailStore
  readonly #maildrop: Maildrop
  readonly #want: readonly ContentColumn[]
  #run: Run | undefined
  #last = 0

  constructor(store: MailStore, maildrop: Maildrop, want: readonly ContentColumn[]) {
    this.#store = store
    this.#maildrop = maildrop
    this.#want = want
  }

  /** Throws No when the content is gone. */
  async take(entry: Entry): Promise<ContentRow & { header: Buffer }> {
    if (this.#run?.entries[this.#run.at]?.number !== entry.number) {
      this.close()
      const isNext = entry.number === this.#last + 1 && this.#last > 0
      const entries = isNext ? this.#following(entry.number) : [entry]
      const ids = entries.map((e) => e.content)
      this.#run = { entries, at: 0, rows: this.#store.contents(this.#maildrop.access, ids, this.#want)[Symbol.asyncIterator]() }
    }
    const row = await this.#next()
    this.#last = entry.number
    if (!row?.header) throw new No('This message is not there any more')
    return row as ContentRow & { header: Buffer }
  }

  /** Forgets what was read ahead. */
  close(): void {
    void this.#run?.rows.return?.()
    this.#run = undefined
  }

  async #next(): Promise<ContentRow | undefined> {
    const run = this.#run!
    run.at++
    try {
      const next = await run.rows.next()
      return next.done ? undefined : next.value
    } catch (err) {
      // What failed once gives nothing more.
      this.#run = undefined
      throw err
    }
  }

  #following(number: number): Entry[] {
    const entries: Entry[] = []
    for (let next = number; next <= this.#maildrop.count && entries.length < AHEAD; next++)
      if (!this.#maildrop.isDeleted(next)) entries.push(this.#maildrop.entry(next))
    return entries
  }
}

/** All octets of a message whose header and, where it is small, body were read. */
export async function* wholeMessage(
  store: MailStore,
  { access }: Maildrop,
  entry: Entry,
  row: ContentRow & { header: Buffer },
): AsyncGenerator<Buffer> {
  yield row.header
  if (row.body) yield row.body
  else yield* store.read(access, entry.content, row.header.length, entry.size)
}

/** The header, a blank line, and the first lines of the body: RFC 1939 §7 TOP. */
export async function* topOfMessage(header: Buffer, body: () => AsyncIterable<Buffer> | Iterable<Buffer>, lines: number): AsyncGenerator<Buffer> {
  yield header
  // A message that is all header has none; clients wait for it.
  if (!endsWithBlankLine(header)) yield header.length === 0 || header[header.length - 1] === LF ? CRLF : TWO_CRLF
  else if (lines > 0) yield* firstLines(body(), lines)
}

const CRLF = Buffer.from('\r\n')
const TWO_CRLF = Buffer.from('\r\n\r\n')

function endsWithBlankLine(header: Buffer): boolean {
  const end = header.toString('latin1', Math.max(0, header.length - 4))
  return end.endsWith('\n\n') || end.endsWith('\n\r\n') || end === '\r\n' || end === '\n'
}

/** Octets up to the end of that line, each line ended by LF. */
export async function* firstLines(octets: AsyncIterable<Buffer> | Iterable<Buffer>, lines: number): AsyncGenerator<Buffer> {
  let left = lines
  for await (const piece of octets) {
    let end = 0
    while (left > 0) {
      const at = piece.indexOf(LF, end)
      if (at < 0) break
      end = at + 1
      left--
    }
    if (left === 0) {
      yield piece.subarray(0, end)
      return
    }
    yield piece
  }
}
