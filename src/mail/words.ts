/** Encoded words in header values. RFC 2047. */
import { decodeBinary, decodeText } from './charset.ts'

/** Characters of a charset's name, a language tag included (RFC 2231 §5). */
const MAX_CHARSET = 64

/**
 * The text of an unfolded value whose characters are bytes: encoded words decoded, white space between two of them dropped, everything else read as
 * UTF-8 or windows-1252. Tolerant: blanks inside a word, words longer than 75 characters or amid text, characters split over words of one charset.
 * What is no encoded word stays as it is.
 */
export function decodeWords(value: string): string {
  let out = ''
  let run: Word[] = []
  let plain = 0
  for (let at = value.indexOf('=?'); at >= 0; ) {
    const word = encodedWord(value, at)
    if (!word) {
      at = value.indexOf('=?', at + 2)
      continue
    }
    const between = value.slice(plain, at)
    const joins = run.length > 0 && isBlank(between)
    if (!joins || run[0]!.charset !== word.charset) {
      out += decodeRun(run)
      run = []
    }
    if (!joins) out += decodeBinary(between)
    run.push(word)
    plain = word.end
    at = value.indexOf('=?', plain)
  }
  return out + decodeRun(run) + decodeBinary(value.slice(plain))
}

interface Word {
  /** Lower-case. */
  readonly charset: string
  readonly bytes: Buffer
  /** Index behind the closing `?=`. */
  readonly end: number
}

/** `=?charset?Q?text?=` at that place, if it is one. Each search ends at the next `?`, so none goes over the same text twice. */
function encodedWord(value: string, at: number): Word | undefined {
  const charsetEnd = value.indexOf('?', at + 2)
  if (charsetEnd < 0 || charsetEnd - at - 2 > MAX_CHARSET || value[charsetEnd + 2] !== '?') return undefined
  const encoding = value[charsetEnd + 1]
  const from = charsetEnd + 3
  const to = value.indexOf('?', from)
  if (to < 0 || value[to + 1] !== '=') return undefined
  const charset = value
    .slice(at + 2, charsetEnd)
    .toLowerCase()
    .split('*', 1)[0]!
  const text = value.slice(from, to)
  if (encoding === 'B' || encoding === 'b') return { charset, bytes: Buffer.from(text, 'base64'), end: to + 2 }
  if (encoding === 'Q' || encoding === 'q') return { charset, bytes: decodeQ(text), end: to + 2 }
  return undefined
}

function decodeQ(text: string): Buffer {
  const binary = text.replaceAll('_', ' ').replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(binary, 'latin1')
}

/** Words of one charset in a row: their bytes are joined first, for some senders split characters. */
function decodeRun(run: readonly Word[]): string {
  return run.length > 0 ? decodeText(Buffer.concat(run.map((word) => word.bytes)), run[0]!.charset) : ''
}

function isBlank(text: string): boolean {
  for (const c of text) if (c !== ' ' && c !== '\t' && c !== '\r' && c !== '\n') return false
  return true
}
