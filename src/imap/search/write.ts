/** Lists of numbers, however long: in pieces, as fast as the client takes them. */

import { LineWriter, Phrase } from '../../net/line-writer.ts'
import type { Output } from '../../net/output.ts'
import type { ResponseWriter } from '../wire/write.ts'

const BEGIN = { SEARCH: new Phrase('* SEARCH'), SORT: new Phrase('* SORT') }
const MODSEQ = new Phrase(' (MODSEQ ')
const RELEVANCY = new Phrase(' RELEVANCY (')
const CLOSE = new Phrase(')')
const END = new Phrase('\r\n')
const SPACE = 0x20
const COMMA = 0x2c
const COLON = 0x3a
/** Two numbers and what parts them, or the beginning or end. */
const ROOM = 40
const FLUSH_AT = 64 * 1024
/** Numbers between two looks at the queue. */
const STEP = 4096

/** `* SEARCH 2 5 9`, and `(MODSEQ 917)` behind it where that is asked for. RFC 3501 §7.2.5, RFC 5256 §4, RFC 7162 §3.1.6. */
export async function writeNumbers(
  output: Output,
  numbers: readonly number[],
  { name = 'SEARCH', modseq }: { readonly name?: keyof typeof BEGIN; readonly modseq?: number | undefined } = {},
): Promise<void> {
  const line = new LineWriter(output)
  line.room(ROOM)
  line.phrase(BEGIN[name])
  for (let at = 0; at < numbers.length; ) {
    const until = Math.min(numbers.length, at + STEP)
    for (; at < until; at++) {
      line.room(ROOM)
      line.byte(SPACE)
      line.number(numbers[at]!)
    }
    line.release()
    if (output.queued > FLUSH_AT) await output.flush()
  }
  line.room(ROOM)
  if (modseq !== undefined) {
    line.phrase(MODSEQ)
    line.number(modseq)
    line.phrase(CLOSE)
  }
  line.phrase(END)
  line.release()
}

/** ` 2,10:11`: in the order given, neighbours that rise by one as a range. */
export async function writeSet({ output }: ResponseWriter, numbers: readonly number[]): Promise<void> {
  const line = new LineWriter(output)
  for (let at = 0; at < numbers.length; ) {
    const until = Math.min(numbers.length, at + STEP)
    while (at < until) {
      line.room(ROOM)
      line.byte(at === 0 ? SPACE : COMMA)
      const first = at
      while (numbers[at + 1] === numbers[at]! + 1) at++
      line.number(numbers[first]!)
      if (at > first) {
        line.byte(COLON)
        line.number(numbers[at]!)
      }
      at++
    }
    line.release()
    if (output.queued > FLUSH_AT) await output.flush()
  }
}

/** ` RELEVANCY (4 99 42)`. RFC 6203 §7. */
export async function writeScores({ output }: ResponseWriter, scores: readonly number[]): Promise<void> {
  const line = new LineWriter(output)
  line.room(ROOM)
  line.phrase(RELEVANCY)
  for (let at = 0; at < scores.length; ) {
    const until = Math.min(scores.length, at + STEP)
    for (; at < until; at++) {
      line.room(ROOM)
      if (at > 0) line.byte(SPACE)
      line.number(scores[at]!)
    }
    line.release()
    if (output.queued > FLUSH_AT) await output.flush()
  }
  line.room(ROOM)
  line.phrase(CLOSE)
  line.release()
}
