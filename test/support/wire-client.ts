/** A raw client for line protocols: sends octets, reads lines, one character per octet. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw } from 'node:zlib'

export class WireClient {
  #socket: Socket
  #buffer = ''
  #ended = false
  #news: (() => void) | undefined
  #deflate: DeflateRaw | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', this.#came)
    for (const event of ['end', 'close', 'error']) socket.on(event, this.#end)
  }

  static async connect(port: number): Promise<WireClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const client = new WireClient(socket)
    await once(socket, 'connect')
    return client
  }

  readonly #came = (octets: Buffer): void => {
    this.#buffer += octets.toString('latin1')
    this.#news?.()
  }

  readonly #end = (): void => {
    this.#ended = true
    this.#news?.()
  }

  /** From now on both sides use DEFLATE. */
  compress(): void {
    const inflate = createInflateRaw()
    this.#socket.off('data', this.#came).off('end', this.#end).off('close', this.#end)
    this.#socket.on('data', (octets: Buffer) => inflate.write(octets))
    // What came before the end is still being read.
    this.#socket.on('close', () => inflate.flush(this.#end))
    this.#socket.on('end', () => inflate.flush(this.#end))
    inflate.on('data', this.#came)
    inflate.on('error', this.#end)
    inflate.write(Buffer.from(this.#buffer, 'latin1'))
    this.#buffer = ''
    this.#deflate = createDeflateRaw()
    this.#deflate.on('data', (octets: Buffer) => this.#socket.write(octets))
  }

  /** Does the handshake; whose certificate it is does not matter here. */
  async startTls(): Promise<void> {
    const plain = this.#socket
    plain.off('data', this.#came).off('end', this.#end).off('close', this.#end)
    const secure = connectTls({ socket: plain, rejectUnauthorized: false })
    this.#socket = secure
    secure.on('data', this.#came)
    for (const event of ['end', 'close', 'error']) secure.on(event, this.#end)
    await once(secure, 'secureConnect')
  }

  /** What its TLS channel is called. RFC 9266. */
  exporter(): Buffer {
    return (this.#socket as TLSSocket).exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  }

  send(text: string | Uint8Array): void {
    const octets = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
    if (this.#deflate) {
      this.#deflate.write(octets)
      this.#deflate.flush(constants.Z_SYNC_FLUSH)
    } else this.#socket.write(octets)
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
    if (this.#deflate) this.#deflate.flush(() => this.#socket.end())
    else this.#socket.end()
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
