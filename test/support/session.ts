/** Clients of a running server, line by line: IMAP and POP3 over TLS, SMTP on the MX port. A line is one character per octet. */
import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TestServer } from './server.ts'

/** The connection ended, or was never made. */
export class Gone extends Error {}

export class Session {
  readonly #socket: Socket
  #buffer = ''
  #closed = false
  #news: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#buffer += text
      this.#news?.()
    })
    const end = (): void => {
      this.#closed = true
      this.#news?.()
    }
    for (const event of ['end', 'close', 'error']) socket.on(event, end)
  }

  /** Throws Gone when nobody listens. */
  static async open(port: number, tls: boolean): Promise<Session> {
    const socket = tls ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }) : connectPlain({ host: '127.0.0.1', port })
    const session = new Session(socket)
    await once(socket, tls ? 'secureConnect' : 'connect').catch((err: Error) => {
      throw new Gone(err.message)
    })
    return session
  }

  get closed(): boolean {
    return this.#closed
  }

  send(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  /** Throws Gone at the end of the connection, and when no line comes within `ms`. */
  async line(ms = 15_000): Promise<string> {
    const due = performance.now() + ms
    for (;;) {
      const end = this.#buffer.indexOf('\r\n')
      if (end >= 0) {
        const line = this.#buffer.slice(0, end)
        this.#buffer = this.#buffer.slice(end + 2)
        return line
      }
      if (this.#closed) throw new Gone('the connection ended')
      const left = due - performance.now()
      if (left <= 0) throw new Gone(`no line within ${ms} ms`)
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, left)
      this.#news = resolve
      await promise
      clearTimeout(timer)
    }
  }

  /** Lines up to the first that matches, it included. */
  async until(what: RegExp, ms = 15_000): Promise<string[]> {
    const lines: string[] = []
    const due = performance.now() + ms
    for (;;) {
      lines.push(await this.line(due - performance.now()))
      if (what.test(lines.at(-1)!)) return lines
    }
  }

  /** IMAP: a command and its answer. */
  async command(text: string): Promise<string[]> {
    this.send(`t ${text}\r\n`)
    return this.until(/^t /)
  }

  /** SMTP: a command and the last line of its reply. */
  async reply(text?: string): Promise<string> {
    if (text !== undefined) this.send(`${text}\r\n`)
    return (await this.until(/^\d{3}(?: |$)/)).at(-1)!
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

const firstOf = ({ endpoints }: TestServer) => endpoints.mailboxes[0] as { address: string; password: string }

/** Logged in on 993 with INBOX selected. */
export async function imap(server: TestServer): Promise<Session> {
  const { address, password } = firstOf(server)
  const session = await Session.open(server.port('imaps'), true)
  if (!(await session.line()).startsWith('* OK')) throw new Gone('no greeting')
  for (const command of [`LOGIN ${address} ${password}`, 'SELECT INBOX']) {
    const answer = (await session.command(command)).at(-1)!
    if (!answer.startsWith('t OK')) throw new Gone(answer)
  }
  return session
}

/** The same, in IDLE. */
export async function idle(server: TestServer): Promise<Session> {
  const session = await imap(server)
  session.send('i IDLE\r\n')
  await session.until(/^\+/)
  return session
}

/** One message over 25; resolves to the answer to its last octet. Throws Gone when there was none: nobody knows then. */
export async function deliver(server: TestServer, subject: string): Promise<string> {
  const session = await Session.open(server.port('mx'), false)
  try {
    for (const command of [undefined, 'EHLO client.example', 'MAIL FROM:<a@client.example>', `RCPT TO:<${firstOf(server).address}>`, 'DATA']) {
      const reply = await session.reply(command)
      if (!/^[23]/.test(reply)) return reply
    }
    return await session.reply(
      `From: <a@client.example>\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@client.example>\r\nDate: Sun, 1 Feb 2026 10:00:00 +0000\r\n\r\n${subject}\r\n.`,
    )
  } finally {
    session.destroy()
  }
}
