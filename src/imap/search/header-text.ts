/** A header block as searches look at it: decoded, composed, without case; each field only when it is asked for. */
import { isAscii } from 'node:buffer'
import { dayOf, parseDate } from '../../mail/date.ts'
import { type HeaderField, headerFields, unfold } from '../../mail/header.ts'
import { decodeWords } from '../../mail/words.ts'

/** Text as it is compared: composed and without case, so that `É` is `e` with an accent however it was typed (RFC 9051 §6.4.4: no case). */
export const canonical = (text: string): string => text.normalize('NFC').toLowerCase()

/** What unfolding takes out from within a word. */
const UNFOLDED_AWAY = /\0|\r[^\n]/

export class HeaderText {
  readonly #block: Buffer
  readonly #lines: (() => string) | undefined
  #fields: readonly HeaderField[] | undefined
  #whole: string | undefined
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
    for (const field of this.#all()) if (field.name === name && (text === '' || canonical(this.#value(field)).includes(text))) return true
    return false
  }

  /** Whether the block, as `Name: value` lines, holds the canonical text. */
  has(text: string): boolean {
    if (this.#lacks(text)) return false
    this.#whole ??= canonical(
      this.#lines?.() ??
        this.#all()
          .map((field) => `${field.name}: ${this.#value(field)}\n`)
          .join(''),
    )
    return this.#whole.includes(text)
  }

  /** The day of the Date field as its writer saw it, in days since 1970; undefined where there is none, or no date. */
  sentDay(): number | undefined {
    for (const field of this.#all()) {
      if (field.name !== 'date') continue
      const date = parseDate(unfold(this.#block, field.value, field.to))
      return date && dayOf(date.time, date.zone)
    }
    return undefined
  }

  /** A quick no: text without white space, which folding could break, is in the octets themselves or nowhere. */
  #lacks(text: string): boolean {
    if (this.#plain === undefined) {
      const octets = this.#block.toString('latin1').toLowerCase()
      this.#plain = isAscii(this.#block) && !octets.includes('=?') && !UNFOLDED_AWAY.test(octets) && octets
    }
    return this.#plain !== false && !/\s/.test(text) && !this.#plain.includes(text)
  }

  #all(): readonly HeaderField[] {
    this.#fields ??= [...headerFields(this.#block)]
    return this.#fields
  }

  #value({ value, to }: HeaderField): string {
    return decodeWords(unfold(this.#block, value, to))
  }
}
