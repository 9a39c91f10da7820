/** THREAD=ORDEREDSUBJECT: the poor man's threading. What has one base subject is one thread: its first message, and all others below that. RFC 5256 §3. */
import type { Found, SearchContext } from '../run.ts'
import { sortInTurns } from '../sort.ts'
import { subjectsOf } from './algorithm.ts'
import { ROOT, ThreadTree } from './tree.ts'

export async function orderedSubject(context: SearchContext, found: Found): Promise<ThreadTree> {
  const { subject, sent } = await subjectsOf(context, found)
  const byDate = await sortInTurns(subject.length, (a, b) => sent[a]! - sent[b]! || a - b, context.work)
  const tree = new ThreadTree()
  // In the order of dates the first of a subject comes first, and threads are in the order of their first ones.
  const heads = new Map<string, number>()
  for (const message of byDate) {
    const node = tree.add(message)
    const head = heads.get(subject[message]!)
    if (head === undefined) heads.set(subject[message]!, node)
    tree.append(head ?? ROOT, node)
  }
  return tree
}
