/**
 * Lines and counted octets from a socket, for protocols that mix both. Input waits in the order it came; more than UNREAD_LIMIT of it is left to the
 * kernel, so a client that sends ahead is slowed down and not buffered. One read at a time.
 */
import type { Duplex } from 'node:stream'
import { Disconnected } from './connection.ts'

/** Octets that wait for a reader before the socket is paused. */
export const UNREAD_LIMIT = 64 * 1024
/** Pieces up to this size that have to wait are copied together: a client that sends single octets costs octets, not objects. */
const SMALL_PIECE = 1024
const TAIL_BLOCK = 4096

export class LineTooLong extends Error {
  constructor(max: number) {
    super(`a line is longer than ${max} octets`)
    this.name = 'LineTooLong'
  }
}

/** No complete line came in the time given. */
export class IdleTimeout extends Error {
  constructor(ms: number) {
    super(`no command for ${Math.round(ms / 1000)} s`)
    this.name = 'IdleTimeout'
  }
}

/** Counted octets come more slowly than `Pace` allows. */
export class TooSlow extends Error {
  constructor() {
    super('data comes too slowly')
    this.name = 'TooSlow'
  }
}

/** How slowly counted octets may come. Only time spent waiting for the client counts against the rate, all time against `totalMs`. */
export interface Pace {
  readonly octetsPerSecond: number
  readonly graceMs: number
  readonly totalMs: number
}
export const DEFAULT_PACE: Pace = { octetsPerSecond: 500, graceMs: 30_000, totalMs: 30 * 60_000 }

export interface LineReaderOptions {
  /** Once it aborts, `readLine` answers undefined, at once if it is waiting. Counted octets are still read: they belong to a command that runs. */
  readonly stop?: AbortSignal
  readonly pace?: Pace
  /** What came is still read when the connection has closed behind it: for who asked, and hears the last answer. */
  readonly toTheEnd?: boolean
}

interface Wait {
  /** More came, or nothing will: whether the read is done by that. */
  attempt(): boolean
  reject(why: unknown): void
  due: number
  readonly late: () => Error
}

export interface EachOptions<T> {
  /** Octets of a line at most. */
  readonly max: number
  /** How long each line may take, asked before each. */
  readonly idleMs?: () => number
  /** What it returns ends the reading. */
  take(line: Buffer): T | undefined
}

export class LineReader {
  readonly #socket: Duplex
  readonly #stop: AbortSignal | undefined
  readonly #pace: Pace
  readonly #toTheEnd: boolean
  #chunks: Buffer[] = []
  /** Octets in all chunks. */
  #unread = 0
  /** Octets from the front in which there is no LF. */
  #scanned = 0
  /** Room left in the block that the last chunk lies in; 0 where the last chunk is not such a block. */
  #tailRoom = 0
  #ended = false
  #paused = false
  #wait: Wait | undefined
  #timer: NodeJS.Timeout | undefined
  #timerDue = 0

  constructor(socket: Duplex, { stop, pace = DEFAULT_PACE, toTheEnd = false }: LineReaderOptions = {}) {
    this.#socket = socket
    this.#toTheEnd = toTheEnd
    this.#stop = stop
    this.#pace = pace
    if (socket.destroyed || socket.readableEnded) this.#ended = true
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onClose)
    socket.on('close', this.#onClose)
    stop?.addEventListener('abort', this.#wake)
    if (socket.isPaused()) socket.resume()
  }

  /**
   * The next line without its CRLF (a bare LF ends a line too), at most `max` octets. The buffer shares memory with the input: copy what is kept.
   * undefined: the stream ended (what is left without a line end is dropped), the socket was destroyed, or `stop` aborted.
   * Throws LineTooLong, after which the input is of no more use; IdleTimeout when the line is not complete within `idleMs`, however many octets of it came.
   */
  readLine(max: number, { idleMs }: { idleMs?: number } = {}): Promise<Buffer | undefined> {
    return this.each({ max, take: (line) => line, ...(idleMs !== undefined && { idleMs: () => idleMs }) })
  }

  /**
   * Gives each line to `take` in the turn in which it came, as `readLine` reads it, until `take` returns something: resolves with that, or with undefined where
   * `readLine` does. Rejects as that does, and with what `take` throws. For who answers most lines at once: a client that waits for each answer has it sooner.
   */
  each<T>({ max, take, idleMs }: EachOptions<T>): Promise<T | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>()
    const now = performance.now()
    let allowed = idleMs?.() ?? Number.POSITIVE_INFINITY
    const attempt = (): boolean => {
      try {
        for (;;) {
          const line = this.nextLine(max)
          const taken = line && take(line)
          const isOver = !line && (this.#ended || this.#stop?.aborted)
          if (taken !== undefined || isOver) {
            resolve(taken)
            return true
          }
          if (!line) return false
          if (idleMs) wait.due = performance.now() + (allowed = idleMs())
        }
      } catch (err) {
        reject(err)
        return true
      }
    }
    const wait: Wait = { attempt, reject, due: now + allowed, late: () => new IdleTimeout(allowed) }
    if (!attempt()) this.#await(wait)
    return promise
  }

  /** `readLine` for who does not wait: undefined where there is no whole line yet, too. */
  nextLine(max: number): Buffer | undefined {
    if (this.#stop?.aborted) return undefined
    const length = this.#lineLength()
    if ((length ?? this.#unread) > max + (length === undefined ? 1 : 2)) throw new LineTooLong(max)
    if (length === undefined) return undefined
    const line = this.#takeExactly(length)
    const end = line.length - (line[line.length - 2] === CR ? 2 : 1)
    if (end > max) throw new LineTooLong(max)
    return line.subarray(0, end)
  }

  /** The next `n` octets in memory of their own; the caller bounds `n`. Throws Disconnected, TooSlow. */
  async readExact(n: number): Promise<Buffer> {
    let out: Buffer = Buffer.allocUnsafeSlow(Math.min(n, UNREAD_LIMIT))
    let used = 0
    for await (const chunk of this.stream(n)) {
      if (used + chunk.length > out.length) {
        const larger = Buffer.allocUnsafeSlow(Math.min(n, Math.max(out.length * 2, used + chunk.length)))
        out.copy(larger, 0, 0, used)
        out = larger
      }
      used += chunk.copy(out, used)
    }
    return out
  }

  /**
   * The next `n` octets as they come, without copying. While nothing is asked of it the socket waits. Left early, the rest stays in the input.
   * Throws Disconnected when the connection ends first, and TooSlow.
   */
  async *stream(n: number): AsyncGenerator<Buffer, void, undefined> {
    const start = performance.now()
    let waited = 0
    let left = n
    while (left > 0) {
      const chunk = this.#takeSome(left)
      if (chunk) {
        left -= chunk.length
        yield chunk
        continue
      }
      if (this.#ended) throw new Disconnected('the connection ended within counted octets')
      const from = performance.now()
      const allowed = this.#pace.graceMs + ((n - left) * 1000) / this.#pace.octetsPerSecond
      await this.#more(Math.min(from + allowed - waited, start + this.#pace.totalMs), () => new TooSlow())
      waited += performance.now() - from
    }
  }

  /** Whether a whole line is here already: a reply may wait for the next one's. */
  get lineReady(): boolean {
    return this.#lineLength() !== undefined
  }

  /** What came and was not read yet. After a STARTTLS command anything here is an attack or a fault (RFC 3207 §4.2). */
  takeBuffered(): Buffer {
    const all = this.#takeExactly(this.#unread)
    this.#relax()
    return all
  }

  /** The read that waits rejects with this; harmless when none waits. */
  interrupt(why: unknown): void {
    const wait = this.#wait
    this.#wait = undefined
    wait?.reject(why)
  }

  /** Lets go of the socket, for what takes its place; returns what came and was not read. The socket is paused. */
  detach(): Buffer {
    this.#socket.pause()
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.off('close', this.#onClose)
    this.#stop?.removeEventListener('abort', this.#wake)
    clearTimeout(this.#timer)
    this.#ended = true
    this.#wake()
    return this.#takeExactly(this.#unread)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#unread += chunk.length
    const last = this.#chunks.length - 1
    if (last < 0 || chunk.length > SMALL_PIECE) {
      this.#chunks.push(chunk)
      this.#tailRoom = 0
    } else if (chunk.length <= this.#tailRoom) {
      const tail = this.#chunks[last]!
      const longer = Buffer.from(tail.buffer, tail.byteOffset, tail.length + chunk.length)
      chunk.copy(longer, tail.length)
      this.#chunks[last] = longer
      this.#tailRoom -= chunk.length
    } else {
      const block = Buffer.allocUnsafeSlow(TAIL_BLOCK)
      chunk.copy(block)
      this.#chunks.push(block.subarray(0, chunk.length))
      this.#tailRoom = TAIL_BLOCK - chunk.length
    }
    if (this.#wait) this.#wake()
    else if (this.#unread >= UNREAD_LIMIT && !this.#paused) {
      this.#paused = true
      this.#socket.pause()
    }
  }

  readonly #onEnd = (): void => {
    this.#ended = true
    this.#wake()
  }

  /** Nobody is there to be answered any more, so what is unread is dropped. */
  readonly #onClose = (): void => {
    if (!this.#toTheEnd) {
      this.#chunks = []
      this.#unread = this.#scanned = this.#tailRoom = 0
    }
    this.#stop?.removeEventListener('abort', this.#wake)
    clearTimeout(this.#timer)
    this.#onEnd()
  }

  readonly #wake = (): void => {
    const wait = this.#wait
    this.#wait = undefined
    // What it gave a line to may read on by itself, but is no longer waited for here then.
    if (wait && !wait.attempt()) this.#wait = wait
  }

  /** Waits for more input, the end, or `stop`; rejects with `late()` at `due`. */
  #more(due: number, late: () => Error): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const attempt = (): boolean => {
      resolve()
      return true
    }
    this.#await({ attempt, reject, due, late })
    return promise
  }

  #await(wait: Wait): void {
    if (this.#wait) wait.reject(new Error('two reads at once on one connection'))
    else if (wait.due <= performance.now()) wait.reject(wait.late())
    else {
      this.#wait = wait
      this.#relax()
      this.#arm(wait.due)
    }
  }

  #relax(): void {
    if (!this.#paused || this.#ended) return
    this.#paused = false
    this.#socket.resume()
  }

  /** One timer per connection. It is not moved when input comes: it looks, when it rings, whether a read is late, and sleeps on if not. */
  #arm(due: number): void {
    if (due === Number.POSITIVE_INFINITY || (this.#timer && this.#timerDue <= due)) return
    clearTimeout(this.#timer)
    this.#timerDue = due
    this.#timer = setTimeout(this.#ring, Math.min(Math.max(due - performance.now(), 1), 2 ** 31 - 1)).unref()
  }

  readonly #ring = (): void => {
    this.#timer = undefined
    const wait = this.#wait
    if (!wait) return
    if (wait.due > performance.now()) {
      this.#arm(wait.due)
      return
    }
    this.#wait = undefined
    wait.reject(wait.late())
  }

  /** Octets of the first line, its LF included; undefined while there is none. Each octet is looked at once. */
  #lineLength(): number | undefined {
    let before = 0
    for (const chunk of this.#chunks) {
      const end = before + chunk.length
      if (end > this.#scanned) {
        const at = chunk.indexOf(LF, this.#scanned - before)
        if (at >= 0) return before + at + 1
        this.#scanned = end
      }
      before = end
    }
    return undefined
  }

  /** At most `n` octets, from the first chunk. */
  #takeSome(n: number): Buffer | undefined {
    const first = this.#chunks[0]
    if (!first) return undefined
    const taken = first.length <= n ? first : first.subarray(0, n)
    if (taken === first) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(n)
    if (this.#chunks.length === 0) this.#tailRoom = 0
    this.#unread -= taken.length
    this.#scanned = 0
    if (this.#unread < UNREAD_LIMIT / 2) this.#relax()
    return taken
  }

  /** `n` ≤ unread octets, copied only where they lie in more than one chunk. */
  #takeExactly(n: number): Buffer {
    const first = this.#takeSome(n)
    if (!first) return Buffer.alloc(0)
    if (first.length === n) return first
    const whole = Buffer.allocUnsafeSlow(n)
    let used = first.copy(whole)
    while (used < n) used += this.#takeSome(n - used)!.copy(whole, used)
    return whole
  }
}

const LF = 0x0a
const CR = 0x0d
