/** How a command ends: what `run` returns, what may be thrown anywhere, and the one place that turns faults into `-ERR`. */
import type { LineWriter } from '../net/line-writer.ts'
import { Refusal, Unavailable } from '../store/errors.ts'

/** RFC 2449 §8, RFC 3206. */
export const CODES = ['IN-USE', 'LOGIN-DELAY', 'AUTH', 'SYS/TEMP', 'SYS/PERM'] as const
export type Code = (typeof CODES)[number]

/** What a command that succeeded says after `+OK`. The text is the server's own, never the client's. */
export interface Done {
  readonly ok: string
  /** Makes it a multi-line response, RFC 1939 §3. Lines without line ends, none of which begins with a dot … */
  readonly lines?: Iterable<string>
  /** … or a line for each of many messages … */
  readonly listing?: Listing
  /** … or octets of a message. */
  readonly message?: MessageBody
  /** After `+OK` the handshake begins; nothing is unread. */
  readonly startTls?: boolean
}

export interface Listing {
  /** Of the messages that have a line. */
  readonly numbers: Iterable<number>
  /** Octets that `write` needs at most. */
  readonly room: number
  /** The line without its line end. */
  write(line: LineWriter, number: number): void
}

export interface MessageBody {
  /** In memory already, or to be read. */
  readonly octets: readonly Uint8Array[] | AsyncIterable<Uint8Array>
  /** Every line ends in CRLF, the last one too. */
  readonly regular: boolean
  /** Called when all of it was given to the client's connection. */
  sent?(): void
}

/** `-ERR`: the command was understood and is not done. */
export class No extends Error {
  readonly code: Code | undefined
  /** The connection ends after this reply. */
  readonly end: boolean
  constructor(text: string, { code, end = false }: { code?: Code; end?: boolean } = {}) {
    super(text)
    this.name = 'No'
    this.code = code
    this.end = end
  }
}

/** `-ERR`: the line is no command, or not one of this state. Too many of them end the connection. The text never repeats what the client sent. */
export class Bad extends Error {
  constructor(text: string) {
    super(text)
    this.name = 'Bad'
  }
}

/** What the client is told of something thrown; undefined for what is a fault of ours and has to be logged. */
export function refused(err: unknown): No | undefined {
  if (err instanceof No) return err
  if (err instanceof Unavailable) return new No('The mail store cannot be reached at the moment, try again later', { code: 'SYS/TEMP' })
  if (!(err instanceof Refusal)) return undefined
  if (err.reason === 'in-use') return IN_USE
  if (err.reason === 'gone') return new No(sentence(err.message), { code: 'SYS/TEMP', end: true })
  return new No(sentence(err.message), { code: 'SYS/PERM' })
}

export const IN_USE = new No('Another session has this maildrop open', { code: 'IN-USE' })
export const FAULT = new No('Something went wrong on the server', { code: 'SYS/TEMP' })

/** The line without its CRLF. */
export const errLine = ({ code, message }: { code?: Code | undefined; message: string }): string => `-ERR ${code ? `[${code}] ` : ''}${message}`

/** Refusals of the store are written for any protocol; none holds what the client sent, but let no line end through. */
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1).replaceAll(/[\r\n]+/g, ' ')}`
