/**
 * The bytes of an SMTP connection, in place of smtp-server's own parser: command lines, the text of DATA without its stuffed dots, and the chunks of BDAT.
 *
 * - Only CRLF ends a line, only CRLF.CRLF ends the text (RFC 5321 §2.3.8, §4.1.1.4): a bare CR or LF refuses the message after it was read to its end,
 *   and the connection then closes, so that two servers can never differ about where a message ends.
 * - One pass over each chunk, no scheduling per line or dot; what was read is handed on before more is taken.
 * - Every length has a bound. What is refused is still read to its end, within a bound, because a client hears no reply while it writes.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { MessageStream } from './message-stream.ts'
import { Reply } from './reply.ts'
import { ChunkReader, MAX_TEXT_LINE, TextReader } from './text.ts'

/** Octets of a command line without CRLF; RFC 5321 §4.5.3.1.4 asks for 512. */
export const MAX_COMMAND = 2_048
/** AUTH and the lines that answer its challenges, RFC 4954 §4. */
export const MAX_AUTH_LINE = 12_288
/** What is still read of a message after a line was too long. */
const MAX_AFTER_LONG_LINE = 1024 * 1024
/** Commands dispatched before the event loop gets its turn. */
const COMMANDS_PER_TURN = 64

const CR = 0x0d
const LF = 0x0a

const EMPTY = Buffer.alloc(0)

const BARE = 'Lines end with CRLF, a bare CR or LF is refused'
export const tooBig = (max: number): Reply => new Reply(552, '5.3.4', `The message exceeds ${max} octets`)

/** Of BDAT. */
export interface Chunk {
  readonly size: number
  readonly last: boolean
}

export interface WireEvents {
  /** A whole command line without CRLF; call `done` for the next one. */
  command(line: Buffer, done: () => void): void
  /** The line cannot be a command; nothing more is read. */
  refused(reply: Reply): void
  /** Whether the next line answers a challenge of AUTH. */
  answersChallenge(): boolean
}

export class WireParser extends SMTPStream {
  readonly #events: WireEvents
  /** The input in work, how far it is done, and whom to tell. */
  #input: Buffer = Buffer.alloc(0)
  #at = 0
  #next: (() => void) | undefined
  /** Octets of the inputs before it. */
  #before = 0
  #pumping = false
  #again = false
  /** The beginning of a command line whose end has not come. */
  #partial: Buffer | undefined
  #partialLength = 0
  /** DATA. */
  #stream: MessageStream | undefined
  #reader: TextReader | ChunkReader = new TextReader()
  /** BDAT. */
  #chunk: (Chunk & { left: number; readonly ended: () => void }) | undefined
  /** Octets of the text as they came, and how many of them are read at most. */
  #raw = 0
  #rawLimit = Number.POSITIVE_INFINITY
  /** The text has ended, commands wait for `continue`. */
  #ended = false

  constructor(events: WireEvents) {
    super({ decodeStrings: false })
    this.#events = events
  }

  /** Octets that came and were not looked at: after STARTTLS there must be none. */
  get waiting(): number {
    return this.writableLength - this.#at + this.#partialLength
  }

  /** Octets that came, and octets that were looked at, since the connection or its TLS began. */
  get arrived(): number {
    return this.#before + this.writableLength
  }
  get taken(): number {
    return this.#before + this.#at
  }

  /** Octets of the text of DATA or BDAT so far. */
  get received(): number {
    return this.#raw
  }

  /** The client owes us text: it is not over, and its reader keeps up. */
  get wantsText(): boolean {
    return this._dataMode && !this.#ended && this.#stream?.writableNeedDrain !== true
  }

  override startDataMode(maxBytes?: number | string | null): MessageStream {
    const stream = new MessageStream()
    this._dataMode = true
    this._maxBytes = Number(maxBytes) || Number.POSITIVE_INFINITY
    this.dataBytes = 0
    this.#chunk = undefined
    this.#stream = stream
    this.#reader = new TextReader()
    this.#raw = 0
    // A client that knows SIZE stops before; one that does not gets its 552 if it ends within twice the limit.
    this.#rawLimit = 2 * this._maxBytes
    this.#ended = false
    return stream
  }

  /** Before the first chunk of a message, or of what is no message. */
  startChunks(maxBytes: number): void {
    this._maxBytes = maxBytes
    this.dataBytes = 0
    this.#reader = new ChunkReader()
    this.#raw = 0
  }

  /** A chunk of the message of this stream; of a destroyed one nothing is kept. `ended` is called when all of it came and was handed on; commands wait for `continue`. */
  startChunk(stream: MessageStream, { size, last }: Chunk, ended: () => void): void {
    this._dataMode = true
    this.#stream = stream
    this.#rawLimit = Number.POSITIVE_INFINITY
    this.#ended = false
    this.#chunk = { size, last, left: size, ended }
    stream.expect()
    if (this.dataBytes + size > this._maxBytes) stream.refuse(tooBig(this._maxBytes))
    if (size === 0) this.#text()
  }

  /** The reply to the text is written: commands go on. */
  override continue(): void {
    if (!this.#ended) return
    this.#ended = false
    this.#stream = undefined
    this.#resume()
  }

  /** The connection is gone. */
  abandon(): void {
    this.isClosed = true
    this.#stream?.settle()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: (err?: Error | null) => void): void {
    this.#input = chunk
    this.#at = 0
    this.#next = next
    this.#pump()
  }

  /** smtp-server takes a half line at the end of the stream for a command; here only CRLF makes one. */
  override _flushData(): void {}

  readonly #resume = (): void => {
    if (this.#pumping) this.#again = true
    else this.#pump()
  }

  /** Works on the chunk until it is used up or somebody has to be waited for, who then calls `#resume`. A handler may answer within its call. */
  #pump(): void {
    this.#pumping = true
    try {
      for (let commands = 0; ; ) {
        if (this.isClosed || this.#at >= this.#input.length) break
        if (this.#stream !== undefined) {
          this.#again = false
          if (!this.#text() && !this.#again) return
          continue
        }
        const line = this.#takeLine()
        if (line === undefined) continue
        this.#again = false
        this.#events.command(line, this.#resume)
        if (!this.#again) return
        if (++commands >= COMMANDS_PER_TURN) {
          setImmediate(this.#resume)
          return
        }
      }
    } finally {
      this.#pumping = false
    }
    const next = this.#next
    this.#next = undefined
    this.#before += this.#input.length
    this.#at = 0
    this.#input = Buffer.alloc(0)
    next?.()
  }

  /** A whole line, or undefined when the chunk is used up or the line was refused. */
  #takeLine(): Buffer | undefined {
    const lf = this.#input.indexOf(LF, this.#at)
    const piece = this.#input.subarray(this.#at, lf < 0 ? this.#input.length : lf)
    const max = this.#events.answersChallenge() || this.#startsWithAuth(piece) ? MAX_AUTH_LINE : MAX_COMMAND
    // The CR may be among them.
    if (this.#partialLength + piece.length > max + 1) return this.#refuse('Line too long')
    this.#at += piece.length + (lf < 0 ? 0 : 1)
    if (lf < 0) {
      this.#keep(piece)
      return undefined
    }
    const line = this.#partialLength > 0 ? this.#joined(piece) : piece
    if (line.at(-1) !== CR || line.indexOf(CR) !== line.length - 1) return this.#refuse(BARE)
    return line.subarray(0, -1)
  }

  #startsWithAuth(piece: Buffer): boolean {
    const kept = Math.min(this.#partialLength, 5)
    const start = this.#partial === undefined ? '' : this.#partial.toString('latin1', 0, kept)
    return `${start}${piece.toString('latin1', 0, 5 - kept)}`.toUpperCase() === 'AUTH '
  }

  #keep(piece: Buffer): void {
    const needed = this.#partialLength + piece.length
    if (this.#partial === undefined || this.#partial.length < needed) {
      const grown = Buffer.allocUnsafeSlow(needed <= MAX_COMMAND + 1 ? MAX_COMMAND + 1 : MAX_AUTH_LINE + 1)
      this.#partial?.copy(grown, 0, 0, this.#partialLength)
      this.#partial = grown
    }
    piece.copy(this.#partial, this.#partialLength)
    this.#partialLength = needed
  }

  #joined(piece: Buffer): Buffer {
    this.#keep(piece)
    const line = this.#partial!.subarray(0, this.#partialLength)
    this.#partial = undefined
    this.#partialLength = 0
    return line
  }

  #refuse(text: string): undefined {
    this.isClosed = true
    this.#events.refused(new Reply(500, '5.5.2', text, { closes: true }))
    return undefined
  }

  /** Takes text from the chunk. false: wait, for the reader or for `continue`. */
  #text(): boolean {
    const stream = this.#stream
    if (stream === undefined || this.#ended) return false
    const text = this.#reader instanceof TextReader ? this.#dataText(this.#reader) : this.#chunkText(this.#reader)
    return this.#handOn(stream, text)
  }

  #dataText(reader: TextReader): Buffer {
    const text = reader.read(this.#input, this.#at)
    this.#raw += reader.next - this.#at
    this.#at = reader.next
    if (reader.ended) this.#endText()
    return text
  }

  #chunkText(reader: ChunkReader): Buffer {
    const chunk = this.#chunk!
    const text = this.#input.subarray(this.#at, this.#at + chunk.left)
    this.#raw += text.length
    this.#at += text.length
    chunk.left -= text.length
    reader.read(text)
    if (chunk.left > 0) return text
    this.#endText()
    const missing = chunk.last ? reader.end() : EMPTY
    return missing.length > 0 ? Buffer.concat([text, missing]) : text
  }

  /** From here on the client waits for us: smtp-server's idle timer asks `_dataMode` for that. */
  #endText(): void {
    this.#ended = true
    this._dataMode = false
  }

  #handOn(stream: MessageStream, text: Buffer): boolean {
    const { bare, long, overlong } = this.#reader
    if (overlong) stream.overlong = true
    this.dataBytes += text.length
    stream.byteLength = this.dataBytes
    if (bare) {
      stream.refuse(new Reply(550, '5.6.11', BARE))
      // Nobody reads another end out of what is counted.
      stream.closes = this.#chunk === undefined
    }
    if (long) {
      stream.refuse(new Reply(500, '5.6.0', `A line is longer than ${MAX_TEXT_LINE} octets`))
      if (this.#chunk === undefined) this.#rawLimit = Math.min(this.#rawLimit, this.#raw + MAX_AFTER_LONG_LINE)
    }
    if (this.dataBytes > this._maxBytes) {
      stream.refuse(tooBig(this._maxBytes))
      stream.sizeExceeded = true
    }
    if (this.#raw > this.#rawLimit && !this.#ended) {
      // It does not stop: answer now, and read no more.
      stream.refuse(tooBig(this._maxBytes))
      stream.closes = true
      this.#endText()
      this.isClosed = true
    }
    if (this.#ended) return this.#finish(stream, text)
    if (stream.destroyed || text.length === 0 || stream.write(text)) return true
    whenTaken(stream, this.#resume)
    return false
  }

  #finish(stream: MessageStream, text: Buffer): false {
    const { last, ended } = this.#chunk ?? { last: true, ended: undefined }
    if (!last && !stream.destroyed && text.length > 0 && !stream.write(text)) {
      whenTaken(stream, () => {
        stream.settle()
        ended?.()
      })
      return false
    }
    if (last && !stream.destroyed) stream.end(text)
    stream.settle()
    ended?.()
    return false
  }
}

/** Once, when its reader has caught up, or there is none any more. */
function whenTaken(stream: MessageStream, then: () => void): void {
  const go = (): void => {
    stream.off('drain', go)
    stream.off('close', go)
    then()
  }
  stream.on('drain', go)
  stream.on('close', go)
}
