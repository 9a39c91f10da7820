/** What an IMAP answer holds, so that a fast wrong answer does not win. */
import { createHash } from 'node:crypto'

export interface Answer {
  /** Untagged FETCH responses. */
  readonly fetches: number
  /** Octets in literals. */
  readonly literalBytes: number
  readonly literals: number
  /** How often each asked word stands outside literals. */
  readonly words: ReadonlyMap<string, number>
  /** Of all literals in order, hex. */
  readonly sha256: string
}

/** Takes all bytes of an answer apart. Throws where a literal is cut short or something follows the tagged line. */
export function read(bytes: Buffer, words: readonly string[] = []): Answer {
  const counts = new Map(words.map((word) => [word, 0]))
  const hash = createHash('sha256')
  let fetches = 0
  let literals = 0
  let literalBytes = 0
  let tagged = false
  let fresh = true
  for (let at = 0; at < bytes.length; ) {
    if (tagged) throw new Error('something follows the tagged line')
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) throw new Error('the last line is cut short')
    const line = bytes.toString('latin1', at, end)
    if (fresh && line.startsWith('* ') && / FETCH \(/.test(line.slice(0, 24))) fetches++
    if (fresh && !line.startsWith('* ')) tagged = true
    for (const word of words) if (line.includes(word)) counts.set(word, counts.get(word)! + 1)
    at = end + 2
    const literal = /\{(\d+)\}$/.exec(line)
    fresh = !literal
    if (!literal) continue
    const size = Number(literal[1])
    if (at + size > bytes.length) throw new Error('a literal is cut short')
    hash.update(bytes.subarray(at, at + size))
    literals++
    literalBytes += size
    at += size
  }
  if (!tagged) throw new Error('there is no tagged line')
  return { fetches, literals, literalBytes, words: counts, sha256: hash.digest('hex') }
}

/** The number that stands after `MESSAGES` in a STATUS answer. */
export function statusCount(bytes: Buffer): number {
  const found = /MESSAGES (\d+)/.exec(bytes.toString('latin1'))
  if (!found) throw new Error(`no MESSAGES in ${bytes.toString('latin1')}`)
  return Number(found[1])
}
