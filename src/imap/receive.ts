/**
 * Takes one command at a time from the connection: its lines and literals under the caps of the session's state, up to where it is complete, or
 * up to a literal that the command itself will read. After a line that is refused, the octets that the client sends without waiting are read and
 * dropped, so that the next line is a command again.
 */
import { type LineReader, LineTooLong } from '../net/lines.ts'
import type { ImapLimits } from './limits.ts'
import { Bad, Bye } from './reply.ts'
import { isTag } from './wire/chars.ts'
import type { LiteralStream, Sequel } from './wire/literal.ts'
import { parseArguments } from './wire/parse.ts'
import { type Marker, type Scanned, Scanner } from './wire/scan.ts'
import type { ResponseWriter } from './wire/write.ts'

export interface Received {
  readonly tag: string
  /** Upper case; two words for the UID forms. */
  readonly name: string
  readonly args: Scanned
  /** The literal that is still on the wire. */
  readonly stream?: WireLiteral
}
/** A line that is no command. `tag` is `*` where none could be read. */
export interface Refused {
  readonly tag: string
  readonly bad: string
}

/** What the receiver must know of the session before it reads on. */
export interface ReceiveContext {
  readonly anonymous: boolean
  /** For each line of a command; milliseconds. */
  readonly idleMs: number
  isPrefix(word: string): boolean
  /** Arguments behind which the command reads its literals itself, in this state; undefined where it does not. */
  streamsBehind(name: string): number | undefined
  /** Called when the first line of a command is there: nothing is written beside it from now on. */
  readonly begun?: () => Promise<void>
}

const MAX_TAG = 128
const MAX_NAME = 32
const WORD = /^[A-Za-z][A-Za-z0-9-]*$/
/** ALPACA and its kind: what speaks HTTP here is no mail client, and nothing it sent is repeated to it. */
const HTTP = /^(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) /
/** `{12+}` at the end of a line that is not worth reading. */
const UNASKED = /\{([0-9]{1,20})\+\}$/

export class Receiver {
  readonly #reader: LineReader
  readonly #out: ResponseWriter
  readonly #limits: ImapLimits

  constructor(reader: LineReader, out: ResponseWriter, limits: ImapLimits) {
    this.#reader = reader
    this.#out = out
    this.#limits = limits
  }

  /** undefined: the client is gone, is none, or the session is to end. Throws Bye, IdleTimeout and what the connection throws. */
  async next(context: ReceiveContext): Promise<Received | Refused | undefined> {
    const caps = new Caps(this.#limits, context.anonymous)
    const line = await this.#line(caps, context.idleMs)
    await context.begun?.()
    if (line === undefined || (context.anonymous && HTTP.test(line))) return undefined
    const [tag, first, rest] = words(line)
    if (!isTag(tag) || tag.length > MAX_TAG) return await this.#refuse('*', 'Invalid tag', line)
    const prefixed = context.isPrefix(first.toUpperCase())
    const [second, args] = prefixed ? cut(rest) : ['', rest]
    const name = (prefixed ? `${first} ${second}` : first).toUpperCase()
    if (!WORD.test(first) || first.length > MAX_NAME || second.length > MAX_NAME) return await this.#refuse(tag, 'Invalid command', line)
    return await this.#arguments({ tag, name, caps, context }, args)
  }

  async #arguments(
    { tag, name, caps, context }: { tag: string; name: string; caps: Caps; context: ReceiveContext },
    first: string,
  ): Promise<Received | Refused | undefined> {
    const scanner = new Scanner(caps.nesting)
    const behind = context.streamsBehind(name) ?? Number.POSITIVE_INFINITY
    let line: string | undefined = first
    try {
      for (;;) {
        const marker = scanner.line(line)
        if (!marker) return { tag, name, args: scanner.end() }
        // The first arguments of a command that streams are a mailbox's name and the like: those are read into memory.
        if (marker.argument !== undefined && marker.argument >= behind) {
          if (marker.within) scanner.part()
          const wire = { reader: this.#reader, out: this.#out, limits: this.#limits, caps }
          return { tag, name, args: scanner.end(), stream: new WireLiteral(marker, wire) }
        }
        caps.literal(marker)
        if (!marker.nonSync) await goOn(this.#out)
        scanner.literal(await this.#reader.readExact(marker.size))
        line = await this.#line(caps, context.idleMs)
        if (line === undefined) return undefined
      }
    } catch (error) {
      if (error instanceof Bad) return await this.#refuse(tag, error.message, line ?? '')
      throw error
    }
  }

  async #refuse(tag: string, bad: string, line: string): Promise<Refused> {
    await dropUnasked(line, this.#reader, this.#limits)
    return { tag, bad }
  }

  /** A line with one character per octet. What all lines of a command may hold together is bounded by `caps`. */
  async #line(caps: Caps, idleMs: number): Promise<string | undefined> {
    const line = await readLine(this.#reader, caps.lineLeft, idleMs)
    if (line !== undefined) caps.lineLeft -= line.length
    return line
  }
}

interface Wire {
  readonly reader: LineReader
  readonly out: ResponseWriter
  readonly limits: ImapLimits
  readonly caps: Caps
}

/** A literal that a command reads for itself. */
export class WireLiteral implements LiteralStream {
  readonly size: number
  readonly form: 'literal' | 'literal8'
  readonly #marker: Marker
  readonly #wire: Wire
  #state: 'announced' | 'coming' | 'done' = 'announced'
  #left: number
  /** The next literal of the same command. */
  #successor: WireLiteral | undefined

  constructor(marker: Marker, wire: Wire) {
    this.size = marker.size
    this.form = marker.form
    this.#marker = marker
    this.#wire = wire
    this.#left = marker.size
  }

  async *read(): AsyncGenerator<Buffer, void, undefined> {
    if (this.#state !== 'announced') throw new Error('a literal is read once')
    this.#state = 'coming'
    if (!this.#marker.nonSync) await goOn(this.#wire.out)
    for await (const chunk of this.#wire.reader.stream(this.size)) {
      this.#left -= chunk.length
      yield chunk
    }
  }

  async next(): Promise<Sequel> {
    this.#state = 'done'
    const line = await this.#restOfLine()
    if (line === '' && !this.#marker.within) return { nodes: [], stream: undefined }
    const scanner = new Scanner(this.#wire.caps.nesting, this.#marker)
    try {
      const marker = scanner.line(line)
      if (marker?.argument === 0) throw new Bad('Expected a space')
      if (marker && marker.argument === undefined) throw new Bad('Unexpected literal')
      if (marker?.within) scanner.part()
      this.#successor = marker && new WireLiteral(marker, this.#wire)
      return { nodes: await parseArguments(scanner.end()), stream: this.#successor }
    } catch (error) {
      if (error instanceof Bad && !this.#successor) await dropUnasked(line, this.#wire.reader, this.#wire.limits)
      throw error
    }
  }

  /** Behind the literal; '' at the end of the command. A command that has all its octets is carried out even if the server is stopping: so no readLine for that. */
  async #restOfLine(): Promise<string> {
    let line = ''
    do {
      let octet = await this.#octet()
      if (octet === '\r') octet = await this.#octet()
      if (octet === '\n') return line
      line += octet
    } while (line === ')')
    const { reader, caps, limits } = this.#wire
    const rest = await readLine(reader, Math.max(caps.lineLeft, 0), limits.idleTime)
    if (rest === undefined) throw new Bye('The session ends in the middle of a command')
    caps.lineLeft -= rest.length
    return line + rest
  }

  async #octet(): Promise<string> {
    return (await this.#wire.reader.readExact(1)).toString('latin1')
  }

  /** Leaves the input where the next command begins, however far this one was read. */
  async skip(): Promise<void> {
    if (this.#successor) return await this.#successor.skip()
    // A client that waits to be asked and is not will not send.
    if (this.#state === 'done' || (this.#state === 'announced' && !this.#marker.nonSync)) return
    this.#state = 'done'
    const { reader, limits } = this.#wire
    await drop(this.#left, reader, limits)
    const rest = await readLine(reader, limits.line, limits.idleTime)
    if (rest !== undefined) await dropUnasked(rest, reader, limits)
  }
}

/** What one command may still take. */
class Caps {
  readonly nesting: number
  readonly #nonSync: number
  readonly #literal: number
  #literals: number
  lineLeft: number

  constructor(limits: ImapLimits, anonymous: boolean) {
    this.lineLeft = anonymous ? limits.lineAnonymous : limits.line
    this.nesting = anonymous ? limits.nestingAnonymous : limits.nesting
    this.#literal = anonymous ? limits.literalAnonymous : limits.literal
    this.#literals = anonymous ? limits.literalAnonymous : limits.literals
    this.#nonSync = anonymous ? limits.nonSyncAnonymous : Number.POSITIVE_INFINITY
  }

  literal({ size, nonSync }: Marker): void {
    // Who sends so much unasked before it is known would only be read for nothing (RFC 7888 §5).
    if (nonSync && size > this.#nonSync) throw new Bye('Literal too large')
    this.#literals -= size
    if (size > this.#literal || this.#literals < 0) throw new Bad('Literal too large')
  }
}

async function goOn(out: ResponseWriter): Promise<void> {
  out.output.write('+ OK\r\n')
  await out.flush()
}

/** Reads on over the literals that follow a refused line without being asked for. */
async function dropUnasked(line: string, reader: LineReader, limits: ImapLimits): Promise<void> {
  let total = 0
  for (let rest: string | undefined = line; rest !== undefined; rest = await readLine(reader, limits.line, limits.idleTime)) {
    const unasked = UNASKED.exec(rest.slice(-24))
    if (!unasked) return
    total += Number(unasked[1])
    await drop(Number(unasked[1]), reader, limits, total)
  }
}

/** Octets are read to be thrown away up to what one message may have; a client that sends more is left. */
async function drop(octets: number, reader: LineReader, limits: ImapLimits, total = octets): Promise<void> {
  if (total > limits.messageSize) throw new Bye('Literal too large')
  for await (const _ of reader.stream(octets)) {
    // dropped
  }
}

async function readLine(reader: LineReader, max: number, idleMs: number): Promise<string | undefined> {
  try {
    return (await reader.readLine(max, { idleMs }))?.toString('latin1')
  } catch (error) {
    if (error instanceof LineTooLong) throw new Bye('Command line too long')
    throw error
  }
}

/** Up to the first space, and what is behind it. */
function cut(text: string): [string, string] {
  const space = text.indexOf(' ')
  return space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space + 1)]
}
function words(line: string): [string, string, string] {
  const [tag, rest] = cut(line)
  return [tag, ...cut(rest)]
}
