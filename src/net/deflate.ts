/**
 * DEFLATE (RFC 1951) between a socket and what reads and writes it, with no state kept while nothing moves. Out: each piece is compressed by itself and flushed, which
 * is one stream to the other side, as no piece refers to another; so nobody waits for octets that a compressor holds back. In: what the client's compressor may
 * refer to is kept, 32 KiB at most and seldom more than it ever sent; a decompressor lives from a piece that ends within a block to one that does not.
 */
import { Duplex } from 'node:stream'
import { constants, createInflateRaw, deflateRaw, deflateRawSync, type InflateRaw, inflateRawSync } from 'node:zlib'

/** How far back a compressor may refer. */
const WINDOW = 32 * 1024
/** Pieces up to here are dealt with at once: handing them to another thread takes longer. */
const SMALL = 4 * 1024
/** What a small piece may become at once; a larger one comes as fast as it is read. */
const MAX_AT_ONCE = 64 * 1024
const finishFlush = constants.Z_SYNC_FLUSH
/** 32 KiB for the time of the call. */
const QUICK = { finishFlush, level: 4, windowBits: 12, memLevel: 4 }
/** 256 KiB for the time of the call. */
const THOROUGH = { finishFlush, level: 4, windowBits: 15, memLevel: 8 }
/** How a flush ends: an empty block without compression (RFC 1951 §3.2.4). Behind it a block begins at a whole octet. */
const FLUSHED = Buffer.from([0x00, 0x00, 0xff, 0xff])
/** An empty last block: can be decompressed only where a block may begin. */
const LAST_BLOCK = Buffer.from([0x03, 0x00])
const LF = 0x0a
const EMPTY = Buffer.alloc(0)
const READ_AHEAD = 16 * 1024

/** What the client sent is no DEFLATE. */
export class NotDeflated extends Error {
  constructor(cause: unknown) {
    super('what the client sent is not compressed as agreed on', { cause })
    this.name = 'NotDeflated'
  }
}

export class DeflatedSocket extends Duplex {
  readonly #socket: Duplex
  /** The last octets that came, decompressed: all that later ones may refer to. */
  #window: Buffer = EMPTY
  /** The same, while the decompressor has them too. */
  #pieces: Buffer[] = []
  #remembered = 0
  #inflate: InflateRaw | undefined
  readonly #invalid: (why: NotDeflated) => void
  /** A chunk is with the decompressor. */
  #busy = false
  /** Nobody wants more for now. */
  #full = false
  #ended = false

  /** Takes the socket over. `came` was read from it already. What cannot be decompressed ends the input, and `invalid` is called. */
  constructor(socket: Duplex, came: Buffer, invalid: (why: NotDeflated) => void) {
    super({ allowHalfOpen: true, autoDestroy: false, readableHighWaterMark: READ_AHEAD })
    this.#socket = socket
    this.#invalid = invalid
    socket.on('data', this.#onData)
    socket.on('end', () => this.#onEnd())
    socket.on('error', (err) => this.destroy(err))
    socket.on('close', () => this.destroy())
    if (came.length > 0) this.#onData(came)
  }

  /** Resolves when everything written is the socket's, or `ms` are over, or the connection is. Nothing may be written after it. */
  async drained(ms: number): Promise<void> {
    if (this.destroyed || this.writableFinished) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms).unref()
    this.once('close', resolve)
    this.end(resolve)
    await promise
    clearTimeout(timer)
  }

  override _read(): void {
    this.#full = false
    this.#inflate?.resume()
    if (!this.#busy) this.#socket.resume()
  }

  override _write(piece: Buffer, _encoding: BufferEncoding, done: (err?: Error | null) => void): void {
    if (piece.length <= SMALL) {
      this.#socket.write(deflateRawSync(piece, QUICK), done)
      return
    }
    deflateRaw(piece, THOROUGH, (err, compressed) => {
      if (err || this.destroyed) done(err)
      else this.#socket.write(compressed, done)
    })
  }

  override _destroy(err: Error | null, done: (err?: Error | null) => void): void {
    this.#inflate?.destroy()
    this.#pieces = []
    this.#window = EMPTY
    this.#socket.destroy()
    done(err)
  }

  #onEnd(): void {
    this.#ended = true
    if (!this.#busy) this.push(null)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.destroyed) return
    const whole = this.#inflate ? undefined : this.#atOnce(chunk)
    if (whole) {
      this.#window = lastOf([this.#window, whole])
      this.#give(whole)
    } else this.#piecemeal(chunk)
  }

  /** What the chunk says, if it is short, in itself complete, and does not become too long. */
  #atOnce(chunk: Buffer): Buffer | undefined {
    if (chunk.length > SMALL || !endsFlushed(chunk)) return undefined
    try {
      const options = { maxOutputLength: MAX_AT_ONCE, ...(this.#window.length > 0 && { dictionary: this.#window }) }
      return inflateRawSync(Buffer.concat([chunk, LAST_BLOCK]), options)
    } catch {
      return undefined
    }
  }

  /** One chunk at a time, and no more of it than is asked for. */
  #piecemeal(chunk: Buffer): void {
    this.#busy = true
    this.#socket.pause()
    this.#inflate ??= this.#begin()
    this.#inflate.write(chunk, (err) => {
      if (!err) this.#chunkDone(chunk)
    })
  }

  #begin(): InflateRaw {
    const inflate = createInflateRaw({ ...(this.#window.length > 0 && { dictionary: this.#window }) })
    this.#pieces = [this.#window]
    this.#remembered = this.#window.length
    this.#window = EMPTY
    inflate.on('data', (piece: Buffer) => {
      this.#remember(piece)
      this.#give(piece)
    })
    inflate.on('error', (err) => this.#stop(err))
    // The client's last block.
    inflate.on('end', () => this.#stop(new Error('something follows the last block')))
    if (this.#full) inflate.pause()
    return inflate
  }

  #chunkDone(chunk: Buffer): void {
    this.#busy = false
    // What looks like a flush within a block without compression would be the last that came.
    const isFlushed = endsFlushed(chunk) && this.#pieces.at(-1)?.at(-1) === LF
    if (this.#inflate && isFlushed && this.#inflate.readableLength === 0) this.#release(this.#inflate)
    if (this.#ended) this.push(null)
    else if (!this.#full && !this.destroyed) this.#socket.resume()
  }

  #release(inflate: InflateRaw): void {
    this.#inflate = undefined
    this.#window = lastOf(this.#pieces)
    this.#pieces = []
    inflate.removeAllListeners().on('error', () => undefined)
    inflate.destroy()
  }

  #remember(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#remembered += piece.length
    while (this.#remembered - this.#pieces[0]!.length >= WINDOW) this.#remembered -= this.#pieces.shift()!.length
  }

  #give(piece: Buffer): void {
    if (this.push(piece)) return
    this.#full = true
    this.#inflate?.pause()
    this.#socket.pause()
  }

  /** No more can be read; what is to be said can be. */
  #stop(cause: Error): void {
    if (this.destroyed || this.#ended) return
    this.#ended = true
    this.#socket.off('data', this.#onData)
    this.#socket.resume()
    this.push(null)
    this.#invalid(new NotDeflated(cause))
  }
}

const endsFlushed = (chunk: Buffer): boolean => chunk.length >= FLUSHED.length && chunk.subarray(-FLUSHED.length).equals(FLUSHED)

/** The last of them, in memory of their own that is no larger than they are. */
function lastOf(pieces: readonly Buffer[]): Buffer {
  const all = pieces.reduce((sum, { length }) => sum + length, 0)
  const last = Buffer.allocUnsafeSlow(Math.min(all, WINDOW))
  let at = last.length - all
  for (const piece of pieces) {
    if (at + piece.length > 0) piece.copy(last, Math.max(at, 0), Math.max(-at, 0))
    at += piece.length
  }
  return last
}
