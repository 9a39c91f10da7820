/** `* SEARCH 2 5 9`, however long: in pieces, as fast as the client takes it. RFC 3501 §7.2.5. */
import type { Output } from '../../net/output.ts'
import { LineWriter, Phrase } from '../fetch/line.ts'

const BEGIN = new Phrase('* SEARCH')
const END = new Phrase('\r\n')
const SPACE = 0x20
/** A space and a number, or the beginning or end. */
const ROOM = 20
const FLUSH_AT = 64 * 1024
/** Numbers between two looks at the queue. */
const STEP = 4096

export async function writeNumbers(output: Output, numbers: readonly number[]): Promise<void> {
  const line = new LineWriter(output)
  line.room(ROOM)
  line.phrase(BEGIN)
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
  line.phrase(END)
  line.release()
}
