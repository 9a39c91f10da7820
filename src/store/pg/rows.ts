/**
 * Binary result rows on pg's own connection. pg decodes every field as UTF-8 text before anybody sees it, which is slow for 100,000 rows and wrong
 * for bytea. `BinaryConnection` looks at the frames first: DataRow messages of a `BinaryQuery` go to it as bytes, all else goes on to pg's parser.
 * It leans on three things of pg 8: `Connection.attachListeners(stream)`, `Client({ connection })` and the Submittable methods; rows.test.ts holds them.
 */
import { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import pg from 'pg'

const DATA_ROW = 0x44
const FRAME_HEAD = 5

/** A cursor over one row's fields, taken in order. Valid only within the callback it was given to; `bytes` must be copied to be kept. */
export class Row {
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0

  /** Positions before the first field; the frame's body begins at `at` with the number of fields. */
  start(buffer: Buffer, at: number): void {
    this.#buffer = buffer
    this.#at = at + 2
  }

  /** int4, int2 or bool as a number. */
  int(): number {
    const length = this.#length()
    if (length === 4) return this.#buffer.readInt32BE(this.#skip(4))
    if (length === 2) return this.#buffer.readInt16BE(this.#skip(2))
    if (length === 1) return this.#buffer[this.#skip(1)]!
    throw new RangeError(`a field of ${length} bytes is no int4`)
  }

  /** int8 as a number; for values within ±2^53. */
  long(): number {
    this.#length()
    const at = this.#skip(8)
    return this.#buffer.readInt32BE(at) * 2 ** 32 + this.#buffer.readUInt32BE(at + 4)
  }

  bigint(): bigint {
    this.#length()
    return this.#buffer.readBigInt64BE(this.#skip(8))
  }

  /** int8's upper and lower half, for bit masks. */
  halves(take: (hi: number, lo: number) => void): void {
    this.#length()
    const at = this.#skip(8)
    take(this.#buffer.readUInt32BE(at), this.#buffer.readUInt32BE(at + 4))
  }

  /** timestamptz in milliseconds since 1970 (Postgres counts microseconds since 2000). */
  time(): number {
    return Math.round(this.long() / 1000) + 946_684_800_000
  }

  /** undefined for SQL null. A window on the receive buffer: copy what is kept. */
  bytes(): Buffer | undefined {
    const length = this.#length()
    if (length < 0) return undefined
    const at = this.#skip(length)
    return this.#buffer.subarray(at, at + length)
  }

  /** The octets of all fields, each behind its length, where they lie: `from` … `to` of the receive buffer. For who copies them. Before the first field only. */
  whole(copy: (buffer: Buffer, from: number, to: number) => void): void {
    // The frame's length stands before the number of fields, and counts itself.
    const frame = this.#at - 2 - 4
    copy(this.#buffer, this.#at, frame + this.#buffer.readUInt32BE(frame))
  }

  text(): string {
    return this.bytes()?.toString('utf8') ?? ''
  }

  #length(): number {
    return this.#buffer.readInt32BE(this.#skip(4))
  }

  #skip(n: number): number {
    const at = this.#at
    this.#at += n
    return at
  }
}

export interface Statement {
  /** Prepared once per connection under this name. */
  readonly name: string
  readonly text: string
}

type FrameSink = (frame: Buffer, bodyAt: number) => void

/** What one read takes at most. */
const RECEIVE_BYTES = 256 * 1024
/**
 * All connections without TLS read into this one: what was read is taken apart before the next read. A buffer of its own for each read would be most of
 * the garbage that a server of mail makes.
 */
const received = Buffer.allocUnsafeSlow(RECEIVE_BYTES)

/** What pg hands from a client to its connection. */
export interface ConnectionConfig {
  readonly stream: Duplex
  readonly ssl: unknown
  readonly sslNegotiation: string
  readonly keepAlive: boolean | undefined
  readonly keepAliveInitialDelayMillis: number | undefined
}

/** pg's Connection with a tap for DataRow frames. */
export class BinaryConnection extends pg.Connection {
  rowSink: FrameSink | undefined
  readonly #rest: EventEmitter
  readonly #frames: FrameSplitter

  constructor(config: ConnectionConfig) {
    const rest = new EventEmitter()
    const frames = new FrameSplitter(
      (chunk) => rest.emit('data', chunk),
      () => this.rowSink,
    )
    const onread = {
      buffer: received,
      callback: (n: number) => {
        frames.take(received.subarray(0, n))
        return true
      },
    }
    // net.Socket takes it, its types have it for connect only
    const options: object = { onread }
    super((config.ssl ? config : { ...config, stream: new Socket(options) }) as object)
    this.#rest = rest
    this.#frames = frames
  }

  // pg's types leave this method out
  attachListeners(stream: NodeJS.ReadableStream): void {
    stream.on('data', (chunk: Buffer) => this.#frames.take(chunk))
    stream.on('end', () => this.#rest.emit('end'))
    const parent = pg.Connection.prototype as unknown as { attachListeners(stream: EventEmitter): void }
    parent.attachListeners.call(this, this.#rest)
  }
}

/** Divides the server's bytes into frames: type, length (which counts itself but not the type), body. */
export class FrameSplitter {
  readonly #pass: (chunk: Buffer) => void
  readonly #sink: () => FrameSink | undefined
  /** Bytes of the current frame that are still to come and belong to `pass`. */
  #passing = 0
  /** The head or the row whose end has not come yet. */
  #partial: Buffer | undefined
  #have = 0

  constructor(pass: (chunk: Buffer) => void, sink: () => FrameSink | undefined) {
    this.#pass = pass
    this.#sink = sink
  }

  take(chunk: Buffer): void {
    let at = this.#finishPartial(chunk)
    let passFrom = at
    const skip = Math.min(this.#passing, chunk.length - at)
    this.#passing -= skip
    at += skip
    while (this.#passing === 0 && at < chunk.length) {
      if (chunk.length - at < FRAME_HEAD) {
        this.#flush(chunk, passFrom, at)
        this.#keep(chunk, at, FRAME_HEAD)
        return
      }
      const end = at + 1 + chunk.readUInt32BE(at + 1)
      const sink = chunk[at] === DATA_ROW ? this.#sink() : undefined
      if (!sink) {
        this.#passing = Math.max(0, end - chunk.length)
        at = Math.min(end, chunk.length)
        continue
      }
      this.#flush(chunk, passFrom, at)
      if (end > chunk.length) {
        this.#keep(chunk, at, end - at)
        return
      }
      sink(chunk, at + FRAME_HEAD)
      passFrom = at = end
    }
    this.#flush(chunk, passFrom, at)
  }

  #flush(chunk: Buffer, from: number, to: number): void {
    // pg's parser keeps what is cut short, and the chunk may be read into again.
    if (to > from) this.#pass(Buffer.from(chunk.subarray(from, to)))
  }

  #keep(chunk: Buffer, at: number, size: number): void {
    this.#partial = Buffer.allocUnsafe(size)
    this.#have = chunk.copy(this.#partial, 0, at)
  }

  /** Completes what the chunk before left; returns where the rest of this chunk begins. */
  #finishPartial(chunk: Buffer): number {
    let at = 0
    while (this.#partial) {
      const took = chunk.copy(this.#partial, this.#have, at, at + this.#partial.length - this.#have)
      this.#have += took
      at += took
      if (this.#have < this.#partial.length) return at
      const whole = this.#partial
      this.#partial = undefined
      const size = 1 + whole.readUInt32BE(1)
      const sink = whole[0] === DATA_ROW ? this.#sink() : undefined
      if (!sink) {
        this.#pass(whole)
        this.#passing = size - whole.length
      } else if (whole.length < size) {
        this.#partial = Buffer.allocUnsafe(size)
        this.#have = whole.copy(this.#partial)
      } else sink(whole, FRAME_HEAD)
    }
    return at
  }
}

interface WireConnection {
  parsedStatements: Record<string, string>
  stream: { cork?(): void; uncork?(): void }
  parse(message: { text: string; name: string }): void
  bind(message: { statement: string; values: readonly unknown[]; binary: boolean; valueMapper: (value: unknown) => unknown }): void
  execute(message: { rows?: number }): void
  sync(): void
  sendCopyFail(why: string): void
}

/** What may be a parameter: pg sends Buffers in binary form and all else as text. */
export type Param = string | number | bigint | boolean | Buffer | null | readonly string[]

const toWire = (value: unknown): unknown => {
  if (value === null || value === undefined) return null
  if (Buffer.isBuffer(value) || typeof value === 'string') return value
  if (Array.isArray(value)) return `{${value.map((item) => `"${String(item).replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`
  return String(value)
}

/** One prepared statement whose rows come in binary form to `onRow`. Submit it with `client.query`; `done` settles with the number of rows. */
export class BinaryQuery {
  readonly name: string
  readonly text: string
  readonly done: Promise<number>
  /** What the server calls it in the end: `COMMIT`, `UPDATE 3`. */
  tag = ''
  readonly #values: readonly Param[]
  readonly #onRow: (row: Row) => void
  readonly #row = new Row()
  #rows = 0
  #connection: BinaryConnection | undefined
  #failure: Error | undefined
  #settle!: { resolve: (rows: number) => void; reject: (why: Error) => void }

  constructor(statement: Statement, values: readonly Param[], onRow: (row: Row) => void) {
    this.name = statement.name
    this.text = statement.text
    this.#values = values
    this.#onRow = onRow
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
  }

  submit(connection: unknown): null {
    const wire = connection as WireConnection
    this.#connection = connection as BinaryConnection
    this.#connection.rowSink = (frame, at) => this.#take(frame, at)
    wire.stream.cork?.()
    try {
      if (!wire.parsedStatements[this.name]) wire.parse({ text: this.text, name: this.name })
      wire.bind({ statement: this.name, values: this.#values, binary: true, valueMapper: toWire })
      wire.execute({})
      wire.sync()
    } finally {
      wire.stream.uncork?.()
    }
    return null
  }

  handleError(error: Error): void {
    this.#failure ??= error
    this.#release()
    this.#settle.reject(this.#failure)
  }

  handleReadyForQuery(): void {
    this.#release()
    if (this.#failure) this.#settle.reject(this.#failure)
    else this.#settle.resolve(this.#rows)
  }

  handleCopyInResponse(connection: unknown): void {
    ;(connection as WireConnection).sendCopyFail('no data')
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}

  handleCommandComplete(message: { text: string }): void {
    this.tag = message.text
  }

  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyData(): void {}

  #take(frame: Buffer, at: number): void {
    if (this.#failure) return
    this.#rows++
    this.#row.start(frame, at)
    try {
      this.#onRow(this.#row)
    } catch (thrown) {
      // The rest of the result must still be read before the connection can be used again.
      this.#failure = thrown instanceof Error ? thrown : new Error(String(thrown))
    }
  }

  #release(): void {
    if (this.#connection) this.#connection.rowSink = undefined
  }
}
