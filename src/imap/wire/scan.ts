/**
 * The first pass over a command's arguments, octet by octet and in one go. It holds what the library's tokenizer does not: one space between
 * tokens, quoted strings as RFC 9051 §9 has them, a bound on nesting, literals at the end of a line and nowhere else. And it takes out of the
 * text what the tokenizer cannot read (sets, list patterns, NIL, literals, long atoms), leaving a slot in its place.
 */
import { Bad } from '../reply.ts'

/** Begins a slot's name in the text; no octet of a client maps to it. */
export const SLOT = '\ue000'
/** Lists deeper than this within one text become a slot of their own: the tokenizer stops at 25 levels of anything. */
const LIBRARY_NESTING = 16
/** The only runs that the tokenizer gets: short, and of characters that mean nothing to it. It is quadratic in long ones. */
const SIMPLE_RUN = /^\\?[A-Za-z0-9.$_+/=&-]{1,128}$/
const SECTION_NAME = /^(?:BODY|BODY\.PEEK|BINARY|BINARY\.PEEK)$/i
/** A name with a section that the tokenizer does not know (RFC 3516 §7). */
const SIZED_SECTION = /^(BINARY\.SIZE)\[([0-9.]{0,512})\]$/i
/** `1.2.HEADER.FIELDS`. */
const SECTION_TEXT = /^[A-Za-z0-9.]{1,512}$/
const PARTIAL = /^<[0-9]{1,10}(?:\.[0-9]{1,10})?>/
/** Tokens of one command: a line of 64 KiB could hold 32,000, and no client means that. */
export const MAX_TOKENS = 10_000
const MARKER = /^(~?)\{([0-9]{1,20})(\+?)\}$/

/** What stands in a slot: an atom as written, one with a section, a literal, or the text of a list that is parsed apart. */
export type Slot =
  | { readonly kind: 'run'; readonly text: string; readonly section?: string }
  | { readonly kind: 'literal'; readonly form: 'literal' | 'literal8'; readonly octets: Buffer }
  | { readonly kind: 'list'; readonly text: string }

/** `{12}` at the end of a line. */
export interface Marker {
  readonly size: number
  readonly form: 'literal' | 'literal8'
  /** `{12+}`: the octets follow without being asked for (RFC 7888). */
  readonly nonSync: boolean
  /** Whole arguments before it or the list that it is in; undefined within lists in lists. */
  readonly argument: number | undefined
  /** In a list: `UTF8 (~{12}`. */
  readonly within: boolean
}

export interface Scanned {
  /** For the tokenizer; '' where there are no arguments. */
  readonly text: string
  readonly slots: readonly Slot[]
}

/** What may come next. `section` is right behind `BODY[`, `closing` behind the header list within the brackets. */
type Expect = 'token' | 'token or )' | 'separator' | 'section' | 'closing' | 'octets'

export class Scanner {
  readonly #nesting: number
  readonly #slots: Slot[] = []
  /** Texts that are being written: the last one is the innermost list that is parsed apart. */
  readonly #texts: string[][] = [[]]
  /** Open brackets, innermost last. */
  readonly #open: ('(' | '[')[] = []
  #lists = 0
  #arguments = 0
  #tokens = 0
  #expect: Expect = 'token'
  #form: 'literal' | 'literal8' = 'literal'

  /** Where the outermost list begins in the text. */
  #listAt = 0
  /** That list began before a literal that was left on the wire: its end is told by an atom. */
  #parted = false

  /** `nesting`: lists within lists that are allowed. `behind`: what is scanned goes on behind a literal, in a list or not. */
  constructor(nesting: number, behind?: { readonly within: boolean }) {
    this.#nesting = nesting
    if (!behind) return
    this.#expect = 'separator'
    this.#arguments = 1
    if (!behind.within) return
    this.#open.push('(')
    this.#lists = 1
    this.#parted = true
  }

  /** The arguments up to the next literal or the end, one character per octet. Returns the literal's announcement if the line ends in one. Throws Bad. */
  line(line: string): Marker | undefined {
    let at = 0
    while (at < line.length) {
      const char = line[at]!
      switch (this.#expect) {
        case 'separator':
          at = this.#separator(at, char)
          break
        case 'closing':
          if (char !== ']') throw new Bad('Expected ] after the header list')
          at = this.#closeSection(line, at)
          break
        case 'section':
          at = this.#section(line, at)
          break
        default: {
          const marker = char === '{' || char === '~' ? this.#marker(line, at) : undefined
          if (marker) return marker
          at = this.#token(line, at, char)
        }
      }
    }
    // client: some end a command with one space; it can mean nothing else
    if (this.#open.length > 0 || (this.#expect !== 'separator' && this.#texts[0]!.length > 0 && !line.endsWith(' ')))
      throw new Bad('Unexpected end of command')
    return undefined
  }

  /** The octets that the last marker announced. */
  literal(octets: Buffer): void {
    this.#slot({ kind: 'literal', form: this.#form, octets })
    this.#tokenDone()
  }

  end(): Scanned {
    return { text: this.#texts[0]!.join('').replace(/^ /, ''), slots: this.#slots }
  }

  #separator(at: number, char: string): number {
    if (char === ')' && this.#open.at(-1) === '(') {
      this.#closeList()
      return at + 1
    }
    if (char !== ' ') throw new Bad('Expected a space')
    this.#write(' ')
    this.#expect = 'token'
    return at + 1
  }

  #token(line: string, at: number, char: string): number {
    if (char === '(') {
      this.#openList()
      return at + 1
    }
    if (this.#open.at(-1) === '[') throw new Bad('Expected a list of header names')
    if (char === ')' && this.#expect === 'token or )') {
      this.#closeList()
      return at + 1
    }
    if (char === '"') return this.#quoted(line, at)
    return this.#run(line, at)
  }

  #quoted(line: string, at: number): number {
    let end = at + 1
    for (; line[end] !== '"'; end++) {
      const code = line.charCodeAt(end)
      if (Number.isNaN(code)) throw new Bad('Quoted string without an end')
      if (code === 0 || code === 0x0d) throw new Bad('Invalid character in a quoted string')
      if (code === 0x5c && line[++end] !== '"' && line[end] !== '\\') throw new Bad('Invalid escape in a quoted string')
    }
    this.#write(line.slice(at, end + 1))
    this.#tokenDone()
    return end + 1
  }

  #run(line: string, at: number): number {
    let end = at
    while (end < line.length && !' ()"'.includes(line[end]!)) {
      if (line[end] === '[' && SECTION_NAME.test(line.slice(at, end))) {
        this.#write(line.slice(at, end + 1))
        this.#open.push('[')
        this.#expect = 'section'
        return end + 1
      }
      end++
    }
    if (end === at) throw new Bad('Expected an argument')
    const run = line.slice(at, end)
    if (run.includes('{')) throw new Bad('Invalid literal')
    const sized = SIZED_SECTION.exec(run)
    if (sized) this.#slot({ kind: 'run', text: sized[1]!, section: sized[2]! })
    else if (SIMPLE_RUN.test(run) && run.toUpperCase() !== 'NIL') this.#write(run)
    else this.#slot({ kind: 'run', text: run })
    this.#tokenDone()
    return end
  }

  #section(line: string, at: number): number {
    if (line[at] === ']') return this.#closeSection(line, at)
    let end = at
    while (end < line.length && line[end] !== ']' && line[end] !== ' ') end++
    const text = line.slice(at, end)
    if (!SECTION_TEXT.test(text)) throw new Bad('Invalid section')
    this.#write(text)
    if (line[end] !== ' ') return this.#closeSection(line, end)
    this.#write(' ')
    this.#expect = 'token'
    return end + 1
  }

  #closeSection(line: string, at: number): number {
    if (line[at] !== ']') throw new Bad('Section without an end')
    this.#open.pop()
    const partial = PARTIAL.exec(line.slice(at + 1, at + 26))?.[0] ?? ''
    if (partial === '' && line[at + 1] === '<') throw new Bad('Invalid partial')
    this.#write(`]${partial}`)
    this.#tokenDone()
    return at + 1 + partial.length
  }

  #openList(): void {
    if (++this.#lists > this.#nesting) throw new Bad('Too many nested lists')
    if (this.#lists % LIBRARY_NESTING === 0) this.#texts.push([])
    if (this.#open.length === 0) this.#listAt = this.#texts[0]!.length
    this.#open.push('(')
    this.#write('(')
    this.#expect = 'token or )'
  }

  #closeList(): void {
    this.#open.pop()
    if (this.#parted && this.#open.length === 0) {
      this.#parted = false
      this.#lists--
      this.#write(' ')
      this.#slot({ kind: 'run', text: ')' })
      this.#tokenDone()
      return
    }
    this.#write(')')
    if (this.#lists-- % LIBRARY_NESTING === 0) this.#slot({ kind: 'list', text: this.#texts.pop()!.join('') })
    this.#tokenDone()
  }

  #marker(line: string, at: number): Marker | undefined {
    const match = MARKER.exec(line.slice(at))
    if (!match) return undefined
    this.#form = match[1] ? 'literal8' : 'literal'
    if (this.#open.at(-1) === '[') throw new Bad('Expected a list of header names')
    this.#expect = 'octets'
    const within = this.#open.length === 1
    const argument = this.#open.length <= 1 ? this.#arguments : undefined
    return { size: Number(match[2]), form: this.#form, nonSync: match[3] === '+', argument, within }
  }

  /** The literal within a list stays on the wire: an atom takes the place of the parenthesis, so that what is before the literal is whole. */
  part(): void {
    if (this.#parted) return
    this.#texts[0]![this.#listAt] = `${SLOT}${this.#slots.length} `
    this.#slots.push({ kind: 'run', text: '(' })
  }

  #tokenDone(): void {
    if (++this.#tokens > MAX_TOKENS) throw new Bad('Too many arguments')
    if (this.#open.length === 0) this.#arguments++
    this.#expect = this.#open.at(-1) === '[' ? 'closing' : 'separator'
  }

  #slot(slot: Slot): void {
    this.#write(`${SLOT}${this.#slots.length}`)
    this.#slots.push(slot)
  }

  #write(text: string): void {
    this.#texts[this.#texts.length - 1]!.push(text)
  }
}
