/** rspamd over HTTP: POST /checkv2, the message in chunks while it comes. https://rspamd.com/doc/developers/protocol.html */
import { type ClientRequest, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { canonicalDomain } from '../../mail/address.ts'
import { verdictOf } from './rspamd-reply.ts'
import type { Scan, ScanEnvelope, Scanner, Verdict } from './scanner.ts'

/** Octets of an answer. */
const MAX_ANSWER = 256 * 1024
const MAX_ANSWER_HEADER = 16 * 1024

export interface RspamdOptions {
  /** http: or https:, of its normal worker or its controller. */
  readonly url: string
  /** The controller wants one. */
  readonly password?: string | undefined
  readonly maxSize: number
}

export const rspamd = (o: RspamdOptions): Scanner => ({
  name: 'rspamd',
  maxSize: o.maxSize,
  wantsName: true,
  start: (envelope) => new RspamdScan(o, envelope),
})

class RspamdScan implements Scan {
  readonly #request: ClientRequest
  readonly #answer = Promise.withResolvers<Verdict>()
  /** Resolves when there is an answer, or will be none. */
  readonly #over: Promise<void>

  constructor({ url, password }: RspamdOptions, envelope: ScanEnvelope) {
    const where = new URL('checkv2', url.endsWith('/') ? url : `${url}/`)
    const headers = { ...headersFor(envelope), ...(password !== undefined && { Password: octets(password) }), Connection: 'close' }
    const request = where.protocol === 'https:' ? httpsRequest : httpRequest
    this.#request = request(where, { method: 'POST', headers, agent: false, maxHeaderSize: MAX_ANSWER_HEADER })
    const none = (): void => undefined
    this.#over = this.#answer.promise.then(none, none)
    this.#request.on('response', (response: IncomingMessage) => this.#read(response))
    this.#request.on('error', (err) => this.#answer.reject(err))
    this.#request.on('close', () => this.#answer.reject(new Error('it ended the connection without an answer')))
    // It hears of the message before there is any of it.
    this.#request.flushHeaders()
  }

  async write(chunk: Buffer): Promise<void> {
    if (this.#request.destroyed || this.#request.writableEnded) return
    const written = Promise.withResolvers<void>()
    this.#request.write(chunk, () => written.resolve())
    await Promise.race([written.promise, this.#over])
  }

  finish(): Promise<Verdict> {
    if (!this.#request.destroyed) this.#request.end()
    return this.#answer.promise
  }

  abort(): void {
    this.#request.destroy()
  }

  #read(response: IncomingMessage): void {
    const pieces: Buffer[] = []
    let length = 0
    response.on('data', (piece: Buffer) => {
      length += piece.length
      if (length > MAX_ANSWER) this.#request.destroy(new Error('its answer is too long'))
      else pieces.push(piece)
    })
    response.on('error', (err) => this.#answer.reject(err))
    response.on('end', () => {
      try {
        // What it says with another status is for people.
        if (response.statusCode !== 200) throw new Error(`it answers ${response.statusCode}`)
        this.#answer.resolve(verdictOf(Buffer.concat(pieces).toString()))
      } catch (err) {
        this.#answer.reject(err)
      }
      this.#request.destroy()
    })
  }
}

/** A header's value as Node writes it: each octet of UTF-8 a character, and none that would end it. */
const octets = (text: string): string =>
  Buffer.from(text)
    .toString('latin1')
    .replace(/[\0-\x1f\x7f]/g, '?')

/**
 * An address as rspamd can read it: where one has other characters it takes the whole message for broken (BROKEN_HEADERS). The domain in A-labels, which is what SPF and
 * lists go by, and of the local part each other octet as =XX.
 */
function inAscii(address: string): string {
  const at = address.lastIndexOf('@')
  const domain = at < 0 ? '' : `@${canonicalDomain(address.slice(at + 1)) ?? address.slice(at + 1)}`
  const plain = octets((at < 0 ? address : address.slice(0, at)) + domain)
  return plain.replace(/[\x80-\xff]/g, (c) => `=${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function headersFor({ id, hostname, from, recipients, helo, ip, clientName, user }: ScanEnvelope): OutgoingHttpHeaders {
  return {
    'Queue-Id': id,
    'MTA-Name': hostname,
    From: `<${inAscii(from)}>`,
    Rcpt: recipients.map((address) => `<${inAscii(address)}>`),
    Helo: octets(helo),
    ...(ip !== undefined && { IP: ip }),
    ...(clientName !== undefined && { Hostname: octets(clientName) }),
    ...(user !== undefined && { User: octets(user) }),
    'Content-Type': 'message/rfc822',
    'Transfer-Encoding': 'chunked',
  }
}
