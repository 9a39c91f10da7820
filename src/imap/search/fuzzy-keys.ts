/**
 * What FUZZY makes of texts: all words in any order, however they end, one letter of a long one wrong, whatever their case and accents. Whatever is found exactly is found so, too.
 * The index of texts rules out here as it does anywhere. RFC 6203 §3.
 */
import { canonical } from '../../mail/canonical.ts'
import { fold } from '../../mail/fold.ts'
import { findersOf, type TextFinder, wordsOf } from '../../mail/fuzzy.ts'
import { bodyHas, textHas } from './body-keys.ts'
import { fieldHas } from './header-keys.ts'
import { and, BODY, HEADER, onQuality, or, type Rows, type SearchKey } from './key.ts'
import type { KeyReader } from './parse.ts'
import type { TextKeys } from './text-keys.ts'

/** Letters from which on a word may have one wrong: in bodies more, for the index can rule out halves of four letters, and cannot those of three. */
const TYPOS_IN_FIELDS = 5
const TYPOS_IN_BODIES = 8
/** How well a text as it stands meets a field: all of it, or a part. A word meets it less well (mail/fuzzy.ts). */
const WHOLE = 100
const PHRASE = 90
/** What counts less than the field that was asked for, or the subject, of 100. */
const OTHER_FIELD = 85
const IN_BODY = 60
/** Fields that people read; those of the index, too (mail/grams.ts). Of the others TEXT finds only what stands in them. */
const READ = ['subject', 'from', 'to', 'cc', 'bcc']

export const FUZZY_TEXTS: TextKeys = {
  field(r, name) {
    const text = r.text()
    const field = name.toLowerCase()
    const words = spend(r, text)
    if (words.length === 0) return fieldHas(name, text)
    return or([phraseInField(field, text), and(words.map((word) => or(findersOf(word, TYPOS_IN_FIELDS).map((finder) => inFields([field], finder)))))])
  },
  body(r) {
    const text = r.bodyText()
    const words = spend(r, text)
    return words.length === 0 ? bodyHas(text) : or([phraseInBody(text), and(words.map(wordInBody))])
  },
  text(r) {
    const text = r.bodyText()
    const words = spend(r, text)
    if (words.length === 0) return textHas(text)
    const anywhere = (word: string): SearchKey => or([...findersOf(word, TYPOS_IN_FIELDS).map((finder) => inFields(READ, finder)), wordInBody(word)])
    return or([phraseInHeader(text), phraseInBody(text), and(words.map(anywhere))])
  },
}

function spend(r: KeyReader, text: string): string[] {
  const words = wordsOf(fold(canonical(text)))
  r.spend(words.length)
  return words
}

const of = (quality: number, weight: number): number => Math.round((quality * weight) / 100)

function phraseInField(field: string, text: string): SearchKey {
  const wanted = canonical(text)
  const folded = fold(wanted)
  const quality = (m: Rows): number => (m.header.fieldHas(field, wanted) ? (m.header.folded(field).trim() === folded ? WHOLE : PHRASE) : 0)
  return onQuality(HEADER, () => quality, { place: { field }, text: wanted })
}

function phraseInHeader(text: string): SearchKey {
  const wanted = canonical(text)
  const folded = fold(wanted)
  const quality = ({ header }: Rows): number => {
    if (!header.has(wanted)) return 0
    return header.fieldHas('subject', wanted) ? (header.folded('subject').trim() === folded ? WHOLE : PHRASE) : of(PHRASE, OTHER_FIELD)
  }
  return onQuality(HEADER, () => quality, { place: 'header', text: wanted })
}

function phraseInBody(text: string): SearchKey {
  const wanted = canonical(text)
  return onQuality(
    BODY,
    ({ needle }) => {
      const place = needle(wanted)
      return (m) => (m.body.found(place) === 1 ? of(PHRASE, IN_BODY) : 0)
    },
    { place: 'body', text: wanted },
  )
}

/** In the best of the fields; the first of them is the one that counts in full. */
function inFields(fields: readonly string[], { piece, find }: TextFinder): SearchKey {
  const quality = ({ header }: Rows): number => {
    let best = 0
    for (const [i, field] of fields.entries()) best = Math.max(best, of(find(header.folded(field)), i === 0 ? 100 : OTHER_FIELD))
    return best
  }
  const [only, ...others] = fields
  return onQuality(HEADER, () => quality, { place: others.length > 0 ? 'header' : { field: only! }, text: piece })
}

const wordInBody = (word: string): SearchKey => or(findersOf(word, TYPOS_IN_BODIES).map(inBody))

const inBody = (finder: TextFinder): SearchKey =>
  onQuality(
    BODY,
    ({ needle }) => {
      const place = needle(finder)
      return (m) => of(m.body.found(place), IN_BODY)
    },
    { place: 'body', text: finder.piece },
  )
