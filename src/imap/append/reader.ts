/**
 * What APPEND and REPLACE say of messages, read as it comes: what stands before each message, then its octets, which are on the wire or in other messages.
 * RFC 9051 §9 append; several messages: RFC 3502; CATENATE: RFC 4469 §3.
 */
import { Bad, No } from '../reply.ts'
import type { Table, Tables } from '../tables.ts'
import type { LiteralStream } from '../wire/literal.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** What stands before a message. */
export interface Head {
  readonly flags: readonly string[]
  /** Milliseconds since 1970. */
  readonly internalDate: number | undefined
  readonly data: 'literal' | 'literal8' | 'parts'
}

/** Octets of what a URL names. Throws No. */
export type Resolve = (url: string) => AsyncIterable<Buffer>

/** Parts of one message. */
const MAX_PARTS = 256
/** Octets of a URL that comes as a literal. */
const MAX_URL = 4096

export class MessageReader {
  #r: ArgumentReader
  readonly #kinds: Table<'literal8' | 'parts'>

  /** `r` stands before the first message. */
  constructor(r: ArgumentReader, { appendData }: Pick<Tables, 'appendData'>) {
    this.#r = r
    this.#kinds = appendData
  }

  /** Whether another message follows. */
  get more(): boolean {
    return this.#r.more || this.#r.hasStream
  }

  /** Throws Bad. */
  head(): Head {
    const r = this.#r
    const flags = r.next === 'list' ? r.flagList() : []
    const internalDate = r.next === 'string' ? r.dateTime() : undefined
    if (!r.more) {
      r.literalStream()
      return { flags, internalDate, data: 'literal' }
    }
    const data = this.#kinds.get(r.nextWord)
    if (!data) throw new Bad('Unknown kind of message')
    r.any()
    return { flags, internalDate, data }
  }

  /** Octets of the message whose head was read; after the last of them the next head may be. `room`: throws No before more than that are asked for. */
  async *octets({ data }: Head, { room, resolve }: { room: number; resolve: Resolve }): AsyncGenerator<Buffer, void, undefined> {
    if (data === 'parts') yield* this.#parts(room, resolve)
    else {
      const wrapped = data === 'literal8'
      if (wrapped && !this.#r.maybe('(')) throw new Bad('Unknown kind of message')
      const literal = this.#r.literalStream()
      if (wrapped && literal.form !== 'literal8') throw new Bad('Unknown kind of message')
      if (literal.size === 0) throw new No('CANNOT', 'A message of no octets is none')
      yield* this.#literal(literal, room)
      if (wrapped && !this.#r.maybe(')')) throw new Bad('Expected the end of the list after the literal')
    }
  }

  async *#literal(literal: LiteralStream, room: number, limit = room): AsyncGenerator<Buffer, void, undefined> {
    // Before the client is asked to go on: it need not send what will not be taken.
    if (literal.size > room) throw new No('TOOBIG', `A message may have ${limit} octets`)
    yield* literal.read()
    this.#r = this.#r.sequel(await literal.next())
  }

  /** `(URL "/INBOX/;UID=7" TEXT {12}`, the list being in one piece only where no literal stands in it. */
  async *#parts(room: number, resolve: Resolve): AsyncGenerator<Buffer, void, undefined> {
    const list = this.#r.maybe('(') ? undefined : this.#r.list((inner) => urls(inner))
    if (list) {
      for (const url of list) yield* resolve(url)
      return
    }
    let left = room
    for (let parts = 0; !this.#r.maybe(')'); parts++) {
      if (parts === MAX_PARTS) throw new No('LIMIT', `A message may be put together of ${MAX_PARTS} parts`)
      const octets = this.#r.word(['URL', 'TEXT']) === 'TEXT' ? this.#literal(this.#r.literalStream(), left, room) : resolve(await this.#url())
      for await (const piece of octets) {
        left -= piece.length
        yield piece
      }
    }
  }

  /** astring: it may be a literal too. */
  async #url(): Promise<string> {
    if (this.#r.more) return this.#r.astring()
    const literal = this.#r.literalStream()
    if (literal.size > MAX_URL) throw new Bad('URL too long')
    const pieces: Buffer[] = []
    for await (const piece of this.#literal(literal, MAX_URL)) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces).toString('utf8')
  }
}

function urls(r: ArgumentReader): readonly string[] {
  const found: string[] = []
  while (r.more) {
    r.word(['URL'])
    found.push(r.astring())
    if (found.length > MAX_PARTS) throw new No('LIMIT', `A message may be put together of ${MAX_PARTS} parts`)
  }
  if (found.length === 0) throw new Bad('A message is put together of one part at least')
  return found
}
