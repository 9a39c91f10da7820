/**
 * The way out for mail to other domains: a configured host that takes it while our client waits. What the relay answers is what the client is told.
 *
 * A message is streamed through; the final dot is sent only after everything that can fail here has not. The relay either takes the message for all
 * its recipients or none: when it refuses one of them the connection is cut before any text.
 */
import { Readable } from 'node:stream'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { Log } from '../log.ts'
import { hasEnhancedCode, Reply, sanitise } from './reply.ts'

export interface RelayOptions {
  readonly host: string
  readonly port: number
  /** `starttls` and `tls` need a certificate that is valid for `host`; `opportunistic` takes what it can get; `none` for a host beside this one. */
  readonly security: 'tls' | 'starttls' | 'opportunistic' | 'none'
  readonly user?: string
  readonly password?: string
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string
  /** What we call ourselves. */
  readonly hostname: string
  readonly timeouts?: Partial<RelayTimeouts>
}

/** Milliseconds. */
export interface RelayTimeouts {
  readonly connect: number
  readonly greeting: number
  /** Without an octet in either direction. RFC 5321 §4.5.3.2.6 asks for 10 minutes after the final dot. */
  readonly idle: number
}

export const RELAY_TIMEOUTS: RelayTimeouts = { connect: 30_000, greeting: 60_000, idle: 10 * 60_000 }

export interface RelayEnvelope {
  readonly from: string
  readonly to: readonly string[]
  readonly eightBit: boolean
  readonly size: number | undefined
}

export interface RelayMessage {
  /** Resolves when more may be written; the first one waits for the relay to be ready. Throws Reply. */
  write(chunk: Uint8Array): Promise<void>
  /** The final dot; resolves with the relay's words when it has taken the message. Throws Reply. */
  finish(): Promise<string>
  /** The relay must not take it. Harmless after `finish`. */
  abort(): void
}

export interface Relay {
  open(envelope: RelayEnvelope): RelayMessage
}

export const createRelay = (options: RelayOptions, log: Log): Relay => ({
  open: (envelope) => new Outgoing(options, envelope, log.child({ relay: options.host })),
})

/** nodemailer fills these in on the envelope that it was given, before it reads the message. */
interface LiveEnvelope {
  from: string
  to: string[]
  use8BitMime: boolean
  size?: number
  rejectedErrors?: RelayFailure[]
}

type RelayFailure = Error & { code?: string; originalCode?: string; command?: string; response?: string; responseCode?: number; recipient?: string }

class Outgoing implements RelayMessage {
  readonly #options: RelayOptions
  readonly #log: Log
  readonly #connection: SMTPConnection
  readonly #envelope: LiveEnvelope
  readonly #source: Source
  readonly #result: Promise<string>
  #settled = false

  constructor(options: RelayOptions, { from, to, eightBit, size }: RelayEnvelope, log: Log) {
    this.#options = options
    this.#log = log
    this.#envelope = { from, to: [...to], use8BitMime: eightBit, ...(size === undefined ? {} : { size }) }
    this.#connection = new SMTPConnection(connectionOptions(options))
    this.#source = new Source(() => this.#refused() !== undefined)
    this.#result = this.#run().finally(() => {
      this.#settled = true
    })
    // Whoever writes or finishes hears of it.
    this.#result.catch((err: Error) => this.#source.destroy(err))
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (await this.#source.give(chunk)) return
    // Nobody reads it any more: the dialogue has failed, or is about to say so.
    await this.#result
    throw new Error('the relay was done before the message was')
  }

  finish(): Promise<string> {
    this.#source.push(null)
    return this.#result
  }

  abort(): void {
    if (this.#settled) return
    this.#connection.close()
    this.#source.destroy(new Reply(451, '4.3.0', 'Given up'))
  }

  async #run(): Promise<string> {
    try {
      await this.#greet()
      return await this.#send()
    } catch (err) {
      const failure = (this.#source.isRefused && this.#refused()) || (err as RelayFailure)
      this.#log.warn(
        { code: failure.code, command: failure.command, response: sanitise(failure.response ?? failure.message) },
        'the relay did not take a message',
      )
      throw replyFor(failure)
    } finally {
      this.#connection.close()
    }
  }

  async #greet(): Promise<void> {
    const { user, password } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#connection.on('error', reject)
      this.#connection.once('end', () => reject(new Error('the relay closed the connection')))
      this.#source.once('close', () => reject(this.#source.errored ?? new Error('given up')))
      this.#connection.connect((err) => {
        if (err) reject(err)
        else if (user === undefined) resolve()
        else this.#connection.login({ user, pass: password ?? '' }, (failed) => (failed ? reject(failed) : resolve()))
      })
    })
  }

  async #send(): Promise<string> {
    const info = await new Promise<{ response?: string; rejected: unknown[] }>((resolve, reject) => {
      this.#source.once('close', () => this.#source.errored && reject(this.#source.errored))
      this.#connection.send(this.#envelope, this.#source, (err, sent) => (err ? reject(err) : resolve(sent)))
    })
    if (info.rejected.length > 0) throw new Error('the relay took the message for some recipients only')
    return sanitise(String(info.response ?? ''))
  }

  /** The refusal of a recipient; one for good before one for now, because no second try gets past it. */
  #refused(): RelayFailure | undefined {
    const failures = this.#envelope.rejectedErrors ?? []
    return failures.find(({ responseCode = 0 }) => responseCode >= 500) ?? failures[0]
  }
}

/** The text on its way: given chunk by chunk, taken by nodemailer once the relay answered DATA. */
class Source extends Readable {
  readonly #someRefused: () => boolean
  /** Cut because the relay takes some recipients and not others. */
  isRefused = false
  #wanted = Promise.withResolvers<void>()
  #started = false
  constructor(someRefused: () => boolean) {
    super()
    this.#someRefused = someRefused
    this.on('error', () => {})
  }

  override _read(): void {
    // Asked for only after the relay answered DATA: who was refused is known by now, and nothing is written yet.
    if (!this.#started && this.#someRefused()) {
      this.isRefused = true
      this.destroy(new Error('a recipient was refused'))
    }
    this.#started = true
    this.#wanted.resolve()
  }

  override _destroy(err: Error | null, done: (err?: Error | null) => void): void {
    this.#wanted.resolve()
    done(err)
  }

  /** Resolves when it was taken; waits while nothing is wanted. false: it will not be. */
  async give(chunk: Uint8Array): Promise<boolean> {
    await this.#wanted.promise
    if (this.destroyed) return false
    if (!this.push(chunk)) this.#wanted = Promise.withResolvers<void>()
    return true
  }
}

function connectionOptions({ host, port, security, ca, hostname, timeouts }: RelayOptions): ConstructorParameters<typeof SMTPConnection>[0] {
  const { connect, greeting, idle } = { ...RELAY_TIMEOUTS, ...timeouts }
  return {
    host,
    port,
    name: hostname,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    opportunisticTLS: security === 'opportunistic',
    connectionTimeout: connect,
    greetingTimeout: greeting,
    socketTimeout: idle,
    maxResponseSize: 64 * 1024,
    logger: false,
    tls: { minVersion: 'TLSv1.2', rejectUnauthorized: security !== 'opportunistic', ...(ca === undefined ? {} : { ca }) },
  }
}

/** Codes of Node and OpenSSL for a handshake or a certificate that is no good. */
const TLS_FAILURE = /^(?:EPROTO|ERR_SSL|ERR_TLS|DEPTH_|UNABLE_|CERT_|SELF_SIGNED|HOSTNAME_)/

/** What our client is told: the relay's own code for the message, a temporary one for everything that is between the relay and us. */
export function replyFor(failure: RelayFailure): Reply {
  if (failure instanceof Reply) return failure
  const { responseCode: code, code: kind, response = '', recipient } = failure
  if (kind === 'EAUTH' || kind === 'ENOAUTH')
    return new Reply(451, '4.3.5', 'The relay does not accept this server, its administrator has to look at it')
  if (kind === 'EMESSAGE' && code === undefined) return new Reply(552, '5.3.4', 'The message is bigger than the relay takes')
  if (kind === 'ETLS' || TLS_FAILURE.test(failure.originalCode ?? '')) return new Reply(451, '4.7.5', 'No secure connection to the relay')
  if (code === undefined || code < 400 || code > 599) return new Reply(451, '4.4.1', 'The relay cannot be reached now, try again later')
  // A 421 would end our own session, and 5xx to the greeting or EHLO is about us, not about the message.
  const aboutMessage = failure.command === undefined || ['MAIL FROM', 'RCPT TO', 'DATA'].includes(failure.command)
  const own = !aboutMessage ? 451 : code === 421 ? 451 : code
  const { enhanced, words } = split(response)
  const whom = recipient === undefined ? '' : ` (${sanitise(recipient)})`
  return new Reply(own, own < 500 ? enhanced('4') : enhanced('5'), `The relay says${whom}: ${words}`)
}

/** `550-5.1.1 no\n550 5.1.1 such user` → its enhanced code, if it is of that class, and its words. */
function split(response: string): { enhanced: (digit: '4' | '5') => string; words: string } {
  const lines = response.split(/\r?\n/).map((line) => line.replace(/^\d{3}[ -]?/, ''))
  const found = hasEnhancedCode(lines[0] ?? '') ? lines[0]!.split(' ', 1)[0]! : undefined
  const words = sanitise(lines.map((line) => (hasEnhancedCode(line) ? line.slice(line.indexOf(' ') + 1) : line)).join(' '))
  return { enhanced: (digit) => (found?.startsWith(digit) ? found : `${digit}.0.0`), words }
}
