/**
 * Words that are looked for leniently: by their beginning, with another ending, or with one letter wrong. All of it is done by pieces that must stand in the text as they are,
 * so an index that knows which pieces a text cannot hold (grams.ts) rules it out. Texts are folded canonical ones (fold.ts).
 */

/** How well a word was met, of 100. */
export const EXACT = 75
export const BEGINNING = 60
export const ENDING = 45
export const TYPO = 30

/** Words of one text that count. */
const MAX_WORDS = 8
/** Places of a piece that are looked at in one text: a text that repeats it must not take long. */
const MAX_LOOKS = 1_000
/** Letters from which on a word is found by its beginning; shorter ones stand alone. */
const MIN_BEGINNING = 3
/** The ending of a word that may be another one: these letters of it, and so many instead, behind so many that stay. From 5 letters on. */
const ENDING_LETTERS = 2
const OTHER_ENDING = 3
const MIN_STEM = 4
const MIN_INFLECTED = 5
/** Longer ones are no words that somebody types. */
const MAX_INFLECTED = 32
/** From here on characters are of scripts that put no blanks between words: Chinese, Japanese, Korean. */
const DENSE = 0x2e80

/** Says how well a text holds what it looks for: 0 for not at all. */
export interface TextFinder {
  /** Where this is not in the text as it stands, nothing is found. */
  readonly piece: string
  readonly find: (text: string) => number
}

/** The words of a folded text, each once. */
export const wordsOf = (text: string): string[] => [...new Set(text.match(/[\p{L}\p{N}\p{M}]+/gu))].slice(0, MAX_WORDS)

/** What finds the word; the best of them counts. `typos`: letters from which on one may be wrong, but for the first. */
export function findersOf(word: string, typos: number): TextFinder[] {
  const { length } = word
  if (/[\u2e80-\uffff]/.test(word)) return [{ piece: word, find: (text) => (text.includes(word) ? EXACT : 0) }]
  if (length < MIN_BEGINNING) return [finder(word, (text, at) => (startsAt(text, at) && endsAt(text, at + length) ? EXACT : 0))]
  const inflects = length >= MIN_INFLECTED && length <= MAX_INFLECTED && /^[\p{L}\p{M}]+$/u.test(word)
  return [byBeginning(word, inflects), ...(inflects && length >= typos ? byTypo(word) : [])]
}

const finder = (piece: string, look: (text: string, at: number) => number): TextFinder => ({
  piece,
  find(text) {
    let best = 0
    let looks = 0
    for (let at = text.indexOf(piece); at >= 0 && best < EXACT && looks < MAX_LOOKS; at = text.indexOf(piece, at + 1), looks++)
      best = Math.max(best, look(text, at))
    return best
  },
})

function byBeginning(word: string, inflects: boolean): TextFinder {
  const stem = inflects ? word.slice(0, Math.max(MIN_STEM, word.length - ENDING_LETTERS)) : word
  return finder(stem, (text, at) => {
    if (!startsAt(text, at)) return 0
    if (text.startsWith(word, at)) return endsAt(text, at + word.length) ? EXACT : BEGINNING
    return wordEnd(text, at + stem.length, OTHER_ENDING) >= 0 ? ENDING : 0
  })
}

/** One letter too many, too few, or another, or two that changed places: one half of the word is as it should be, unless the two are where the halves meet. */
function byTypo(word: string): TextFinder[] {
  const half = word.length >> 1
  const [front, back] = [word.slice(0, half), word.slice(half)]
  const judge = (text: string, from: number, to: number): number => (isOneEdit(word, text.slice(from, to)) ? TYPO : 0)
  const swapped = word.slice(0, half - 1) + word[half] + word[half - 1] + word.slice(half + 1)
  return [
    finder(front, (text, at) => {
      const end = startsAt(text, at) ? wordEnd(text, at + half, word.length + 1 - half) : -1
      return end < 0 ? 0 : judge(text, at, end)
    }),
    finder(back, (text, at) => {
      const end = at + back.length
      if (!endsAt(text, end)) return 0
      // It may be one letter longer or shorter before this half.
      for (let from = at - half - 1; from <= at - half + 1; from++)
        if (from >= 0 && text[from] === word[0] && startsAt(text, from) && judge(text, from, end) > 0) return TYPO
      return 0
    }),
    finder(swapped, (text, at) => (startsAt(text, at) && endsAt(text, at + word.length) ? TYPO : 0)),
  ]
}

/** Whether one letter of `a` was changed, taken out or put in, or two neighbours changed places. */
export function isOneEdit(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1 || a === b) return false
  let from = 0
  while (from < a.length && a[from] === b[from]) from++
  const [restA, restB] = [a.slice(from), b.slice(from)]
  if (a.length !== b.length) return a.length > b.length ? restA.slice(1) === restB : restA === restB.slice(1)
  if (restA.slice(1) === restB.slice(1)) return true
  return restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2)
}

const startsAt = (text: string, at: number): boolean => !isWordAt(text, at - 1)
const endsAt = (text: string, at: number): boolean => !isWordAt(text, at)

/** Where the word ends that goes on here; -1 after more letters than that. */
function wordEnd(text: string, at: number, letters: number): number {
  for (let end = at; end <= at + letters; end++) if (endsAt(text, end)) return end
  return -1
}

const LETTER = /[\p{L}\p{N}\p{M}]/u

function isWordAt(text: string, at: number): boolean {
  if (at < 0 || at >= text.length) return false
  const c = text.charCodeAt(at)
  if (c < 0x80) return (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a)
  return c < DENSE && LETTER.test(text[at]!)
}
