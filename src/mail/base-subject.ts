/** The base subject: what messages of one conversation have in common. RFC 5256 §2.1. Linear, however often something is to be removed. */
import { decodeWords } from './words.ts'

export interface BaseSubject {
  readonly text: string
  /** Something was removed that says so: `Re:`, `Fwd:`, `(fwd)`, `[fwd: …]`. */
  readonly isReply: boolean
}

const FWD_HEADER = '[fwd:'
const FWD_TRAILER = '(fwd)'

/** Of an unfolded Subject whose characters are octets, as ENVELOPE has it. */
export function baseSubject(subject: string): BaseSubject {
  const text = decodeWords(subject).replace(/[\t\r\n ]+/g, ' ')
  const lower = lowerAscii(text)
  let from = 0
  let to = text.length
  let isReply = false
  for (;;) {
    // Step 2.
    for (; from < to; to--) {
      if (text[to - 1] === ' ') continue
      if (to - from < FWD_TRAILER.length || !lower.endsWith(FWD_TRAILER, to)) break
      to -= FWD_TRAILER.length - 1
      isReply = true
    }
    // Steps 3 to 5.
    const start = afterLeaders(lower, from, to)
    from = start.from
    isReply ||= start.isReply
    // Step 6.
    if (to - from <= FWD_HEADER.length || text[to - 1] !== ']' || !lower.startsWith(FWD_HEADER, from)) return { text: text.slice(from, to), isReply }
    from += FWD_HEADER.length
    to--
    isReply = true
  }
}

/** Where the subject begins behind all that may stand before it. */
function afterLeaders(text: string, first: number, to: number): { from: number; isReply: boolean } {
  let from = first
  let isReply = false
  for (;;) {
    while (from < to && text[from] === ' ') from++
    // All blobs in a row, and where the last one begins.
    let last = from
    let blobs = from
    for (let end = blobEnd(text, from, to); end >= 0; end = blobEnd(text, blobs, to)) [last, blobs] = [blobs, end]
    const reply = replyEnd(text, blobs, to)
    // Without a reply behind them, blobs go one by one as long as something is left (step 4): no part of the row is followed by a reply either.
    if (reply < 0) return { from: blobs < to ? blobs : last, isReply }
    from = reply
    isReply = true
  }
}

/** `re:`, `fw:`, `fwd [x]:`. */
function replyEnd(text: string, from: number, to: number): number {
  const word = text.startsWith('re', from) || text.startsWith('fw', from) ? 2 : 0
  if (word === 0) return -1
  let at = from + (text.startsWith('fwd', from) ? 3 : word)
  while (at < to && text[at] === ' ') at++
  const blob = blobEnd(text, at, to)
  if (blob >= 0) at = blob
  return at < to && text[at] === ':' ? at + 1 : -1
}

/** `[anything but brackets]` and the white space behind it. */
function blobEnd(text: string, from: number, to: number): number {
  if (from >= to || text[from] !== '[') return -1
  let at = from + 1
  while (at < to && text[at] !== '[' && text[at] !== ']') at++
  if (at >= to || text[at] === '[') return -1
  at++
  while (at < to && text[at] === ' ') at++
  return at
}

const lowerAscii = (text: string): string => text.replace(/[A-Z]+/g, (run) => run.toLowerCase())
