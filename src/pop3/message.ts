/** The octets of messages for RETR and TOP. */
import type { ContentColumn, ContentRow, MailStore } from '../store/mailstore.ts'
import { type Member, ReadAhead, type Step } from '../store/read-ahead.ts'
import type { Entry, Maildrop } from './maildrop.ts'
import { No } from './reply.ts'

const LF = 10

/** The row of a message that is there: valid until the next one is taken. */
export type Taken = ContentRow & { readonly header: Buffer }

/** Rows of a maildrop's messages one by one. */
export class Messages {
  readonly #maildrop: Maildrop
  readonly #ahead: ReadAhead

  constructor(store: MailStore, maildrop: Maildrop, want: readonly ContentColumn[]) {
    this.#maildrop = maildrop
    this.#ahead = new ReadAhead((asked) => store.contents(maildrop.access, asked, want).batches(), {
      beside: (number, step) => this.#beside(number, step),
    })
  }

  /** At once where it was read already. Throws or rejects with No when the content is gone. */
  take(entry: Entry): Taken | Promise<Taken> {
    const row = this.#ahead.take(memberOf(entry))
    return row instanceof Promise ? row.then(there) : there(row)
  }

  /** Forgets what was read ahead. */
  close(): void {
    this.#ahead.close()
  }

  /** What is marked as deleted is not asked for any more. */
  #beside(number: number, step: Step): Member | undefined {
    let next = number + step
    while (next >= 1 && next <= this.#maildrop.count && this.#maildrop.isDeleted(next)) next += step
    return next >= 1 && next <= this.#maildrop.count ? memberOf(this.#maildrop.entry(next)) : undefined
  }
}

const memberOf = ({ number, content, size }: Entry): Member => ({ key: number, content: { id: content, size } })

function there(row: ContentRow): Taken {
  if (row.gone) throw new No('This message is not there any more')
  return row as Taken
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
