/** A header block as searches look at it: decoded, composed, without case; each field only when it is asked for, and once. */
import { isAscii } from 'node:buffer'
import { canonical } from '../../mail/canonical.ts'
import { dayOf, parseDate } from '../../mail/date.ts'
import { fold } from '../../mail/fold.ts'
import { type HeaderField, headerFields, unfold } from '../../mail/header.ts'
import { decodeWords } from '../../mail/words.ts'

/** What unfolding takes out from within a word. */
const UNFOLDED_AWAY = /\0|\r[^\n]/

interface Field extends HeaderField {
  /** Its value decoded and canonical, once it was asked for. */
  text?: string
}

export class HeaderText {
  readonly #block: Buffer
  readonly #lines: (() => string) | undefined
  #fields: readonly Field[] | undefined
  #whole: string | undefined
  readonly #folded = new Map<string, string>()
  /** The block without case, where each of its octets means itself: no encoded words, nothing 8-bit. */
  #plain: string | false | undefined

  /** `lines` makes `Name: decoded value` lines of the block. */
  constructor(block: Buffer, lines?: () => string) {
    this.#block = block
    this.#lines = lines
  }

  /** Whether a field of that lower-case name holds the canonical text; any field of the name, for an empty one (RFC 9051 §6.4.4 HEADER). */
  fieldHas(name: string, text: string): boolean {
    if (this.#lacks(text)) return false
    for (const field of this.#all()) if (field.name === name && (text === '' || this.#text(field).includes(text))) return true
    return false
  }

  /** Whether the block, as `Name: value` lines, holds the canonical text. */
  has(text: string): boolean {
    if (this.#lacks(text)) return false
    this.#whole ??= this.#lines
      ? canonical(this.#lines())
      : this.#all()
          .map((field) => `${field.name}: ${this.#text(field)}\n`)
          .join('')
    return this.#whole.includes(text)
  }

  /** What all fields of that lower-case name say, folded; a line for each. */
  folded(name: string): string {
    let text = this.#folded.get(name)
    if (text === undefined) {
      const fields = this.#all().filter((field) => field.name === name)
      this.#folded.set(name, (text = fold(fields.map((field) => this.#text(field)).join('\n'))))
    }
    return text
  }

  /** The day of the Date field as its writer saw it, in days since 1970; undefined where there is none, or no date. */
  sentDay(): number | undefined {
    const field = this.#all().find(({ name }) => name === 'date')
    const date = field && parseDate(unfold(this.#block, field.value, field.to))
    return date && dayOf(date.time, date.zone)
  }

  /** A quick no: text without white space, which folding could break, is in the octets themselves or nowhere. */
  #lacks(text: string): boolean {
    if (this.#plain === undefined) {
      const octets = this.#block.toString('latin1').toLowerCase()
      this.#plain = isAscii(this.#block) && !octets.includes('=?') && !UNFOLDED_AWAY.test(octets) && octets
    }
    return this.#plain !== false && !/\s/.test(text) && !this.#plain.includes(text)
  }

  #all(): readonly Field[] {
    this.#fields ??= [...headerFields(this.#block)]
    return this.#fields
  }

  #text(field: Field): string {
    field.text ??= canonical(decodeWords(unfold(this.#block, field.value, field.to)))
    return field.text
  }
}
