/**
 * What goes to a client: small pieces are gathered in one block, large ones passed on as they are, and no more is given to the socket than it takes.
 * A session that has nothing to say holds no block.
 */
import type { Writable } from 'node:stream'
import { Disconnected } from './connection.ts'

export const BLOCK = 64 * 1024
/** Buffers from this size on are sent without a copy: they must not be changed after `write`. */
const LARGE = 32 * 1024
/** Up to here a reply is copied out of the block, so that the block is free again at once. */
const SMALL_REPLY = 4 * 1024
/** Blocks kept for the next writer, whichever session it is. */
const MAX_SPARE = 32
const spare: Buffer[] = []
const SENT = Promise.resolve()

/** A client took nothing for STALL_MS. A piece is at most BLOCK octets, so it must take about 1 KiB a second. */
export class WriteStalled extends Error {
  constructor(ms: number) {
    super(`the client took nothing for ${Math.round(ms / 1000)} s`)
    this.name = 'WriteStalled'
  }
}
export const STALL_MS = 60_000

interface Piece {
  readonly bytes: Buffer
  /** The block to give back once it was sent. */
  readonly block: Buffer | undefined
}

export class Output {
  #socket: Writable
  readonly #stallMs: number
  #pieces: Piece[] = []
  #waiting = 0
  #block: Buffer | undefined
  #used = 0
  #draining = false
  #flushing: Promise<void> | undefined
  #wake: (() => void) | undefined

  constructor(socket: Writable, { stallMs = STALL_MS }: { stallMs?: number } = {}) {
    this.#socket = socket
    this.#stallMs = stallMs
    this.#listen()
  }

  /** What is written from now on goes another way; all that was written must have been flushed. */
  through(socket: Writable): void {
    if (this.#waiting + this.#used > 0) throw new Error('there is output that was not flushed')
    this.#socket = socket
    this.#listen()
  }

  #listen(): void {
    this.#socket.on('error', this.#taken)
    this.#socket.on('close', this.#taken)
  }

  /** Octets that the client's side has not taken yet. Past 64 KiB `flush` is due. */
  get queued(): number {
    return this.#waiting + this.#used + this.#socket.writableLength
  }

  /** Adds to what will be sent; nothing leaves before `flush`. What is written to a closed connection is dropped, and `flush` tells. */
  write(data: string | Uint8Array, encoding: 'latin1' | 'utf8' = 'latin1'): void {
    if (typeof data === 'string') this.#writeText(data, encoding)
    else this.#writeBytes(data)
  }

  /** At least `n` ≤ BLOCK free octets of the block, to be filled from `start` on; `commit` says how far. For formatters that write digits themselves. */
  reserve(n: number): { readonly block: Buffer; readonly start: number } {
    if (this.#used + n > BLOCK) this.#seal()
    this.#block ??= spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK)
    return { block: this.#block, start: this.#used }
  }

  /** The octets before `end` in the block that `reserve` gave are part of the output. */
  commit(end: number): void {
    this.#used = end
  }

  /**
   * Gives everything to the socket, in order, and resolves when it has it all; waits while the socket holds a piece that it was given before. Calls may overlap.
   * Rejects Disconnected when the connection is closed, WriteStalled (and destroys the socket) when the client takes nothing for a minute.
   */
  flush(): Promise<void> {
    return this.send() ?? SENT
  }

  /** `flush`, for who goes on in the same turn where there is nothing to wait for: then undefined. */
  send(): Promise<void> | undefined {
    if (this.#flushing) return this.#flushing
    const socket = this.#socket
    if (this.#pieces.length === 0 && this.#used > 0 && socket.writable && !socket.destroyed && socket.writableLength === 0) {
      this.#seal()
      this.#send(this.#pieces[0]!)
      return undefined
    }
    const done = this.#drain()
    // It may be done by now, and what is written next needs a flush of its own.
    if (this.#draining) this.#flushing = done
    return done
  }

  async #drain(): Promise<void> {
    this.#draining = true
    try {
      for (;;) {
        if (this.#socket.destroyed || !this.#socket.writable) this.#abandon()
        if (this.#waiting + this.#used === 0) return this.#seal()
        // Not beside another: the socket would copy both into new memory to send them as one.
        if (this.#socket.writableLength > 0) await this.#room()
        else {
          this.#seal()
          this.#send(this.#pieces[0]!)
        }
      }
    } finally {
      this.#draining = false
      this.#flushing = undefined
    }
  }

  #send({ bytes, block }: Piece): void {
    this.#pieces.shift()
    this.#waiting -= bytes.length
    this.#socket.write(bytes, (failed) => {
      if (block && !failed && spare.length < MAX_SPARE) spare.push(block)
      this.#taken()
    })
  }

  /** Resolves when the socket took something. */
  async #room(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(() => {
      const stalled = new WriteStalled(this.#stallMs)
      reject(stalled)
      this.#socket.destroy()
    }, this.#stallMs).unref()
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#wake = undefined
    }
  }

  readonly #taken = (): void => this.#wake?.()

  #abandon(): never {
    this.#seal()
    this.#pieces = []
    this.#waiting = 0
    throw new Disconnected()
  }

  #writeText(text: string, encoding: 'latin1' | 'utf8'): void {
    const length = encoding === 'latin1' ? text.length : Buffer.byteLength(text)
    if (length >= LARGE) this.#append(Buffer.from(text, encoding))
    else {
      const { block, start } = this.reserve(length)
      this.#used += block.write(text, start, encoding)
    }
  }

  #writeBytes(bytes: Uint8Array): void {
    if (bytes.length >= LARGE) this.#append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    else {
      const { block, start } = this.reserve(bytes.length)
      block.set(bytes, start)
      this.#used += bytes.length
    }
  }

  #append(bytes: Buffer): void {
    if (this.#socket.destroyed) return
    this.#seal()
    for (let at = 0; at < bytes.length; at += BLOCK) this.#pieces.push({ bytes: bytes.subarray(at, at + BLOCK), block: undefined })
    this.#waiting += bytes.length
  }

  /** Closes the block, so that what is added next comes after it. */
  #seal(): void {
    const block = this.#block
    const used = this.#used
    this.#block = undefined
    this.#used = 0
    if (!block) return
    const free = used <= SMALL_REPLY || this.#socket.destroyed
    if (free && spare.length < MAX_SPARE) spare.push(block)
    if (used === 0 || this.#socket.destroyed) return
    const bytes = block.subarray(0, used)
    this.#pieces.push(free ? { bytes: Buffer.from(bytes), block: undefined } : { bytes, block })
    this.#waiting += used
  }
}
