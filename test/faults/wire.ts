/** One client connection of the load: octets as latin1, every wait bounded, and one error for everything that ends it. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** The connection ended, or said nothing for too long: what was sent last may have been done or not. */
export class Lost extends Error {
  override readonly name = 'Lost'
}

export interface Where {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** Longer than any timeout of the server's own. */
export const REPLY_MS = 40_000
const CONNECT_MS = 15_000

export class Wire {
  readonly #socket: Socket
  #buffer = ''
  #ended = false
  #news: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#buffer += text
      this.#news?.()
    })
    const end = (): void => {
      this.#ended = true
      this.#news?.()
    }
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', end)
  }

  static async open({ host, port, tls }: Where): Promise<Wire> {
    const socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port, noDelay: true })
    const wire = new Wire(socket)
    const opened = Promise.withResolvers<void>()
    socket.once(tls ? 'secureConnect' : 'connect', () => opened.resolve())
    socket.once('close', () => opened.reject(new Lost('not connected')))
    const timer = setTimeout(() => socket.destroy(), CONNECT_MS)
    try {
      await opened.promise
      return wire
    } finally {
      clearTimeout(timer)
    }
  }

  get ended(): boolean {
    return this.#ended
  }

  send(text: string): void {
    if (!this.#ended) this.#socket.write(text, 'latin1')
  }

  /** The next line without its CRLF. */
  line(ms = REPLY_MS): Promise<string> {
    return this.#take(() => {
      const end = this.#buffer.indexOf('\r\n')
      return end < 0 ? undefined : { text: this.#buffer.slice(0, end), length: end + 2 }
    }, ms)
  }

  octets(n: number, ms = REPLY_MS): Promise<string> {
    return this.#take(() => (this.#buffer.length < n ? undefined : { text: this.#buffer.slice(0, n), length: n }), ms)
  }

  /** Whether something can be read within `ms`; false at once when the connection ended. */
  async readable(ms: number): Promise<boolean> {
    if (this.#buffer === '' && !this.#ended) await this.#wait(ms)
    return this.#buffer !== ''
  }

  /** Nothing more comes from this side. */
  end(): void {
    this.#socket.end()
  }

  close(): void {
    this.#socket.destroy()
  }

  async #take(find: () => { text: string; length: number } | undefined, ms: number): Promise<string> {
    const due = performance.now() + ms
    for (;;) {
      const found = find()
      if (found) {
        this.#buffer = this.#buffer.slice(found.length)
        return found.text
      }
      if (this.#ended) throw new Lost('the connection ended')
      const left = due - performance.now()
      if (left <= 0) {
        this.close()
        throw new Lost(`no answer within ${ms} ms`)
      }
      await this.#wait(left)
    }
  }

  async #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#news = resolve
    await promise
    clearTimeout(timer)
    this.#news = undefined
  }
}
