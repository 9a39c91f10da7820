/** Address lists of header fields, as tolerant as a server must be: RFC 5322 §3.4, obsolete forms §4.4, RFC 6532. Never throws, always linear. */
import { unquote } from './address.ts'

/** Mailboxes and groups taken from one message; the rest is passed over. */
export const MAX_ADDRESSES = 1000
/** Address fields of one message that are looked at. */
export const MAX_ADDRESS_FIELDS = 100

export interface Mailbox {
  readonly kind: 'mailbox'
  /** The display name or, without one, a comment beside the address; encoded words are left as they are (see words.ts). */
  readonly name: string | undefined
  /** `@a,@b` of an obsolete route. */
  readonly route: string | undefined
  /** Unquoted. */
  readonly local: string
  /** '' if the address has none. */
  readonly domain: string
}

export interface Group {
  readonly kind: 'group'
  readonly name: string
  readonly members: readonly Mailbox[]
}

/**
 * The mailboxes and groups of a field's unfolded value. `,` and, as Outlook's users type, `;` part them. A group inside a group is flattened, its
 * name dropped. What is left open (comment, quote, bracket) ends with the text. At most `max` mailboxes and groups.
 */
export function parseAddressList(text: string, max = MAX_ADDRESSES): (Mailbox | Group)[] {
  return new Reader(text, max).list()
}

/** The mailboxes of a parsed list, those in groups too. */
export function mailboxesOf(list: readonly (Mailbox | Group)[]): Mailbox[] {
  return list.flatMap((item) => (item.kind === 'group' ? item.members : item))
}

/** How many mailboxes and groups a list counts for, against MAX_ADDRESSES. */
export const countAddresses = (list: readonly (Mailbox | Group)[]): number =>
  list.reduce((n, item) => n + (item.kind === 'group' ? 1 + item.members.length : 1), 0)

/** A word of a phrase or local part; `gap`: white space or a comment stands before it. */
interface Word {
  readonly text: string
  readonly quoted: boolean
  readonly gap: boolean
}

class Reader {
  readonly #text: string
  #at = 0
  #left: number
  /** The last comment seen since the address began. */
  #comment: string | undefined

  constructor(text: string, max: number) {
    this.#text = text
    this.#left = max
  }

  list(): (Mailbox | Group)[] {
    const out: (Mailbox | Group)[] = []
    while (this.#at < this.#text.length && this.#left > 0) {
      const found = this.#address(false)
      if (typeof found === 'string') {
        this.#left--
        out.push({ kind: 'group', name: found, members: this.#members() })
      } else if (found) out.push(found)
    }
    return out
  }

  #members(): Mailbox[] {
    const members: Mailbox[] = []
    while (this.#at < this.#text.length && this.#left > 0) {
      const found = this.#address(true)
      if (typeof found === 'object') members.push(found)
      if (this.#text[this.#at - 1] === ';') break
    }
    return members
  }

  /**
   * One address up to and with its `,` or `;`; or the name of a group, up to its `:`; or nothing. A second `<` starts another address: whoever checks
   * a sender sees both.
   */
  #address(inGroup: boolean): Mailbox | string | undefined {
    this.#comment = undefined
    let words: Word[] = []
    let gap = false
    let spec: { local: string; domain: string } | undefined
    let found: Mailbox | undefined
    for (;;) {
      const c = this.#code()
      if (c === COMMA || c === SEMICOLON || c === END || (c === LESS && found)) break
      if (isWhite(c) || c === OPEN) {
        this.#space()
        gap = true
      } else if (c === LESS) found = this.#angle(phrase(words) || (spec && `${spec.local}@${spec.domain}`))
      else if (c === AT) {
        this.#at++
        const domain = this.#domain()
        spec = spec ? { local: spec.local, domain: `${spec.domain}@${domain}` } : { local: localPart(words), domain }
        words = []
      } else if (c === COLON && !spec && !found) {
        this.#at++
        if (!inGroup) return phrase(words)
        words = []
      } else {
        words.push(this.#word(c, gap))
        gap = false
      }
    }
    if (this.#code() !== LESS) this.#at++
    if (!found && !spec && words.length > 0) spec = { local: phrase(words), domain: '' }
    if (!found && spec) found = { kind: 'mailbox', name: undefined, route: undefined, ...spec }
    if (!found || (found.local === '' && found.domain === '' && found.name === undefined)) return undefined
    this.#left--
    return found.name === undefined && this.#comment ? { ...found, name: this.#comment } : found
  }

  /** From the `<` of an angle-addr to behind its `>`. */
  #angle(name: string | undefined): Mailbox {
    this.#at++
    let route: string | undefined
    const words: Word[] = []
    let domain: string | undefined
    let gap = false
    for (;;) {
      const c = this.#code()
      if (c === GREATER || c === COMMA || c === END) break
      if (isWhite(c) || c === OPEN) {
        this.#space()
        gap = true
      } else if (c === AT && words.length === 0 && domain === undefined && route === undefined) route = this.#route()
      else if (c === AT) {
        this.#at++
        const more = this.#domain()
        domain = domain === undefined ? more : `${domain}@${more}`
      } else if (c === LESS || c === COLON || c === SEMICOLON || domain !== undefined) this.#word(c, false)
      else {
        words.push(this.#word(c, gap))
        gap = false
      }
    }
    if (this.#code() === GREATER) this.#at++
    return { kind: 'mailbox', name: name || undefined, route: route || undefined, local: localPart(words), domain: domain ?? '' }
  }

  /** `@a,@b:` → `@a,@b`. A `<@domain>` without local part reads as an empty route and no address. RFC 5322 §4.4. */
  #route(): string {
    const from = this.#at
    for (let c = this.#code(); c !== END && c !== COLON && c !== LESS && c !== GREATER; c = this.#code()) this.#at++
    const route = this.#text.slice(from, this.#at)
    if (this.#code() !== COLON) return ''
    this.#at++
    return route.replace(/[ \t]/g, '')
  }

  /** A domain or a literal in brackets; white space and comments around its dots vanish. RFC 5322 §3.4.1, §4.4. */
  #domain(): string {
    this.#space()
    if (this.#code() === OPEN_BRACKET) return this.#literal()
    let out = ''
    let dot = true
    for (;;) {
      const c = this.#code()
      if (c === END || isSpecial(c) || (c !== DOT && !dot)) return out
      const atom = this.#atom()
      dot = atom.endsWith('.')
      out += atom
      this.#space()
    }
  }

  #literal(): string {
    const from = this.#at
    for (let c = this.#code(); c !== END && c !== CLOSE_BRACKET && c !== COMMA && c !== GREATER; c = this.#code()) this.#at++
    if (this.#code() === CLOSE_BRACKET) this.#at++
    return this.#text.slice(from, this.#at)
  }

  /** A quoted string, an atom, or a stray special character, kept as a letter so that every loop moves on. */
  #word(c: number, gap: boolean): Word {
    if (c === QUOTE) return { text: this.#quoted(), quoted: true, gap }
    return { text: isSpecial(c) ? this.#text[this.#at++]! : this.#atom(), quoted: false, gap }
  }

  /** Letters and dots up to a special character or white space; at least one character. */
  #atom(): string {
    const from = this.#at++
    while (this.#at < this.#text.length && !isSpecial(this.#code())) this.#at++
    return this.#text.slice(from, this.#at)
  }

  #quoted(): string {
    const from = ++this.#at
    for (let c = this.#code(); c !== END && c !== QUOTE; c = this.#code()) this.#at += c === BACKSLASH ? 2 : 1
    return unquote(this.#text.slice(from, this.#at++))
  }

  /** White space and comments. RFC 5322 §3.2.2. */
  #space(): void {
    for (;;) {
      const c = this.#code()
      if (c === OPEN) this.#skipComment()
      else if (isWhite(c)) this.#at++
      else return
    }
  }

  #skipComment(): void {
    const from = ++this.#at
    for (let depth = 1; this.#at < this.#text.length; this.#at++) {
      const c = this.#code()
      if (c === BACKSLASH) this.#at++
      else if (c === OPEN) depth++
      else if (c === CLOSE && --depth === 0) break
    }
    this.#comment = trimBlanks(unquote(this.#text.slice(from, this.#at++))) || this.#comment
  }

  /** The character code at the cursor, or END. */
  #code(): number {
    return this.#at < this.#text.length ? this.#text.charCodeAt(this.#at) : END
  }
}

/** Words as a display name: a blank where there was a gap. */
function phrase(words: readonly Word[]): string {
  return words.map((w, i) => (i > 0 && w.gap ? ` ${w.text}` : w.text)).join('')
}

/** Words as a local part: a gap beside a dot vanishes (RFC 5322 §4.4); any other stays, so that `boss ann@x` never reads as `ann@x`. */
function localPart(words: readonly Word[]): string {
  let out = ''
  let dot = true
  for (const w of words) {
    out += w.gap && !dot && (w.quoted || !w.text.startsWith('.')) ? ` ${w.text}` : w.text
    dot = !w.quoted && w.text.endsWith('.')
  }
  return out
}

const END = -1
const [COMMA, SEMICOLON, COLON, LESS, GREATER, AT, DOT] = [44, 59, 58, 60, 62, 64, 46]
const [OPEN, CLOSE, OPEN_BRACKET, CLOSE_BRACKET, QUOTE, BACKSLASH] = [40, 41, 91, 93, 34, 92]

const SPECIALS = new Uint8Array(128)
for (const c of ' \t\r\n"(),:;<>@[]\\') SPECIALS[c.charCodeAt(0)] = 1
const isSpecial = (c: number): boolean => SPECIALS[c] === 1
const isWhite = (c: number): boolean => c === 32 || c === 9 || c === 13 || c === 10

/** Not String.trim: that would take the last byte of a UTF-8 `à`. */
function trimBlanks(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isWhite(text.charCodeAt(from))) from++
  while (to > from && isWhite(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}
