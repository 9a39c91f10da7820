/** The octets of messages for RETR and TOP, read ahead for a client that asks for one after the other and waits for each. */
import type { ContentColumn, ContentRow, MailStore } from '../store/mailstore.ts'
import type { ContentId } from '../store/types.ts'
import type { Entry, Maildrop } from './maildrop.ts'
import { No } from './reply.ts'

const LF = 10

interface Run {
  /** Numbers of the messages whose rows were asked for; what lies before `at` was taken. A few batches of the store's. */
  readonly numbers: number[]
  at: number
  readonly batches: AsyncGenerator<Iterable<ContentRow>>
  /** What is left of a batch. */
  rows: Iterator<ContentRow>
}

/** The row of a message that is there: valid until the next one is taken. */
export type Taken = ContentRow & { readonly header: Buffer }

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

  /** At once where it was read already. Throws or rejects with No when the content is gone. */
  take(entry: Entry): Taken | Promise<Taken> {
    if (this.#run?.numbers[this.#run.at] !== entry.number) this.#run = this.#start(entry)
    const run = this.#run
    const next = run.rows.next()
    return next.done ? this.#more(run, entry) : this.#there(run, entry, next.value)
  }

  /** Forgets what was read ahead. */
  close(): void {
    void this.#run?.batches.return(undefined)
    this.#run = undefined
  }

  #start(entry: Entry): Run {
    this.close()
    const numbers: number[] = []
    const goesOn = entry.number === this.#last + 1 && this.#last > 0
    const ids = this.#contents(numbers, entry.number, goesOn ? this.#maildrop.count : entry.number)
    const batches = this.#store.contents(this.#maildrop.access, ids, this.#want).batches()
    return { numbers, at: 0, batches, rows: [][Symbol.iterator]() }
  }

  /** The first row of the next batch. */
  async #more(run: Run, entry: Entry): Promise<Taken> {
    try {
      for (;;) {
        const batch = await run.batches.next()
        if (batch.done) throw new Error('the store told of fewer contents than were asked for')
        run.numbers.splice(0, run.at)
        run.at = 0
        run.rows = batch.value[Symbol.iterator]()
        const first = run.rows.next()
        if (!first.done) return this.#there(run, entry, first.value)
      }
    } catch (err) {
      // What failed once gives nothing more.
      if (!(err instanceof No)) this.#run = undefined
      throw err
    }
  }

  #there(run: Run, entry: Entry, row: ContentRow): Taken {
    run.at++
    this.#last = entry.number
    if (row.gone) throw new No('This message is not there any more')
    return row as Taken
  }

  /** Of the messages with these numbers that are not marked as deleted, one after the other as the store asks for them. */
  *#contents(numbers: number[], from: number, to: number): Generator<ContentId> {
    for (let number = from; number <= to; number++) {
      if (this.#maildrop.isDeleted(number)) continue
      numbers.push(number)
      yield this.#maildrop.entry(number).content
    }
  }
}

/** All octets of a message: at hand where its body is small. */
export function wholeMessage(store: MailStore, { access }: Maildrop, entry: Entry, row: Taken): readonly Buffer[] | AsyncGenerator<Buffer> {
  const { header, body } = row
  return body ? [header, body] : followed(header, store.read(access, entry.content, header.length, entry.size))
}

async function* followed(header: Buffer, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield header
  yield* body
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
