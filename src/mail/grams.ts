/**
 * Grams: the short pieces of a text by which an index knows what the text cannot hold. Three code units each; two where both are of a script whose words are that short
 * (Chinese, Japanese, Korean), or the halves of one character. Which gram is at a place depends on what stands there alone, so a text that holds another has all
 * of its grams. Accents are taken off before, so that a lenient search can be ruled out, too. Each falls into one of BUCKETS buckets, and different ones may share one: such an index rules out, it never finds.
 */
import { canonical } from './canonical.ts'
import { fold } from './fold.ts'
import { headerFields, unfold } from './header.ts'
import { MAX_TEXT_BYTES, type SearchText } from './text.ts'
import { decodeWords } from './words.ts'

/** Rises with any change of what is here, or of what the text of a message is: text.ts, canonical.ts, fold.ts, and all that they use. */
const VERSION = 4
/** What was indexed under another number is indexed anew: the engine's idea of case and composition may have changed as well, with the version of Unicode that it knows (`17.0`). */
export const TEXT_VERSION = VERSION * 1_000 + Math.round(Number(process.versions.unicode ?? 0) * 10)

const BUCKET_BITS = 14
export const BUCKETS = 1 << BUCKET_BITS

/** From here on two code units are a gram: from the radicals of CJK upwards, surrogates among them. */
const DENSE = 0x2e80

/** The body's text, all of the header, or the fields of a lower-case name. */
export type TextPlace = 'body' | 'header' | { readonly field: string }

const BODY = 0
const HEADER = 1
/** Fields with grams of their own; others share those of the whole header. */
const FIELDS: ReadonlyMap<string, number> = new Map(['subject', 'from', 'to', 'cc', 'bcc'].map((name, i) => [name, i + 2]))

/** Calls `take` with the bucket of each gram of the message, in any order and more than once. `header` is the block, `text` what TextCollector made of the message. */
export function messageGrams(header: Buffer, text: SearchText, take: (bucket: number) => void): void {
  let block = ''
  // What a search finds in all of the header may differ from what its fields say: white space before a colon (RFC 5322 §4.5), a block longer than is looked at.
  let differs = header.length > MAX_TEXT_BYTES
  for (const { name, from, value, to } of headerFields(header)) {
    differs ||= value - 1 - from > name.length
    const content = fold(canonical(decodeWords(unfold(header, value, to))))
    const place = FIELDS.get(name)
    if (place !== undefined) grams(content, place, take)
    block += `${name}: ${content}\n`
  }
  grams(fold(block), HEADER, take)
  if (differs) grams(fold(canonical(text.header)), HEADER, take)
  grams(fold(canonical(text.body)), BODY, take)
}

/**
 * Buckets that all hold a message which has the canonical text at that place, those first that most likely rule others out; none where the text is too short to tell.
 * An empty text asks whether the field is there.
 */
export function gramsOf(place: TextPlace, text: string): number[] {
  const found = new Map<number, number>()
  const collect = (canonical: string, where: number, less = 0) => {
    const from = fold(canonical)
    grams(from, where, (bucket, at) => void found.set(bucket, rarity(from, at) - less))
  }
  if (place === 'body') collect(text, BODY)
  else if (place === 'header') collect(text, HEADER)
  else {
    const own = FIELDS.get(place.field)
    // Many messages have the field: what it says is asked for first.
    if (own === undefined || text === '') collect(`${place.field}:`, HEADER, NAME)
    collect(text, own ?? HEADER)
  }
  return [...found.keys()].sort((a, b) => found.get(b)! - found.get(a)!)
}

/** What Latin letters there are, the most frequent first. */
const FREQUENT = ' etaoinsrhldcumfpgwybvkxjqz'
/** More than any rarity. */
const NAME = 100

/** The higher the rarer is the gram at that place, by its letters: a guess, good for an order. */
function rarity(text: string, at: number): number {
  let sum = 0
  for (const c of text.slice(at, at + 3)) {
    const rank = FREQUENT.indexOf(c)
    sum += rank < 0 ? FREQUENT.length : rank
  }
  return sum
}

/** Calls `take` with the bucket of each gram of the folded text and where the gram is. */
function grams(text: string, place: number, take: (bucket: number, at: number) => void): void {
  const { length } = text
  if (length < 2) return
  let a = text.charCodeAt(0)
  let b = text.charCodeAt(1)
  for (let i = 2; i <= length; i++) {
    const c = i < length ? text.charCodeAt(i) : -1
    if (a >= DENSE && b >= DENSE) take(bucketOf(a, b, 0, place), i - 2)
    else if (c >= 0) take(bucketOf(a, b, c, place), i - 2)
    a = b
    b = c
  }
}

function bucketOf(a: number, b: number, c: number, place: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca77) ^ Math.imul(c + place * 0x10000, 0xc2b2ae3d)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  return (h ^ (h >>> 13)) >>> (32 - BUCKET_BITS)
}
