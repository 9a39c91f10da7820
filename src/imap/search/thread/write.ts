/** `* THREAD (2)(3 6 (4 23)(44 7 96))`, however deep. RFC 5256 §4, §5. */
import { LineWriter, Phrase } from '../../../net/line-writer.ts'
import type { ResponseWriter } from '../../wire/write.ts'
import type { Work } from '../../work.ts'
import { ROOT, type ThreadTree } from './tree.ts'

const BEGIN = new Phrase('* THREAD')
const END = new Phrase('\r\n')
const [SPACE, OPEN, CLOSE] = [0x20, 0x28, 0x29]
/** A number and what may stand around it. */
const ROOM = 24
const FLUSH_AT = 64 * 1024
/** Stands where a list that was opened is to be closed. */
const CLOSING = -1

/** `numbers` by the places that the tree's messages are known by. */
export async function writeThreads(
  { output }: ResponseWriter,
  tree: ThreadTree,
  numbers: readonly number[],
  work: Pick<Work, 'over' | 'pass'>,
): Promise<void> {
  const line = new LineWriter(output)
  line.room(ROOM)
  line.phrase(BEGIN)
  const open = tree.children(ROOT).reverse()
  if (open.length > 0) line.byte(SPACE)
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    line.room(ROOM)
    if (node === CLOSING) {
      line.byte(CLOSE)
      continue
    }
    line.byte(OPEN)
    writeThread(line, tree, { node, numbers, open })
    if (!work.over && output.queued <= FLUSH_AT) continue
    line.release()
    await output.flush()
    if (work.over) await work.pass()
  }
  line.room(ROOM)
  line.phrase(END)
  line.release()
}

/** From the node down to where the thread divides; the branches are left open. */
function writeThread(
  line: LineWriter,
  tree: ThreadTree,
  { node: first, numbers, open }: { node: number; numbers: readonly number[]; open: number[] },
): void {
  let node: number | undefined = first
  let isFirst = true
  for (;;) {
    line.room(ROOM)
    if (!tree.isDummy(node)) {
      if (!isFirst) line.byte(SPACE)
      line.number(numbers[tree.message(node)]!)
      isFirst = false
    }
    if (!tree.hasOneChild(node)) break
    node = tree.firstChild(node)!
  }
  open.push(CLOSING)
  if (!tree.hasChildren(node)) return
  if (!isFirst) line.byte(SPACE)
  for (const child of tree.children(node).reverse()) open.push(child)
}
