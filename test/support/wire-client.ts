/** A raw client for line protocols: sends octets, reads lines, one character per octet. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export class WireClient {
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

  static async connect(port: number): Promise<WireClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const client = new WireClient(socket)
    await once(socket, 'connect')
    return client
  }

  send(text: string | Uint8Array): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  /** The next line without its CRLF; undefined at the end of the connection. Rejects after `ms`. */
  async line(ms = 5_000): Promise<string | undefined> {
    const due = performance.now() + ms
    for (;;) {
      const end = this.#buffer.indexOf('\r\n')
      if (end >= 0) {
        const line = this.#buffer.slice(0, end)
        this.#buffer = this.#buffer.slice(end + 2)
        return line
      }
      if (this.#ended) return undefined
      const left = due - performance.now()
      if (left <= 0) throw new Error(`no line within ${ms} ms${this.#buffer && `, only ${JSON.stringify(this.#buffer.slice(0, 200))}`}`)
      await this.#wait(left)
    }
  }

  /** Sends a line and reads up to the line that begins with `tag`; that one is the last of those returned. */
  async command(tag: string, rest: string): Promise<string[]> {
    this.send(`${tag} ${rest}\r\n`)
    return await this.until(tag)
  }
  async until(tag: string, ms = 30_000): Promise<string[]> {
    const lines: string[] = []
    for (;;) {
      const line = await this.line(ms)
      if (line === undefined) throw new Error(`the connection ended before ${tag}`)
      lines.push(line)
      if (line.startsWith(`${tag} `)) return lines
    }
  }

  /** What comes within `ms` although nothing should. */
  async silence(ms: number): Promise<string> {
    await this.#wait(ms)
    return this.#buffer
  }

  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }
  /** No more from this side. */
  end(): void {
    this.#socket.end()
  }
  destroy(): void {
    this.#socket.destroy()
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
