/** What a threading algorithm is, and what it knows of the messages. RFC 5256 §3. */
import { eachKeys } from '../content-keys.ts'
import type { Found, SearchContext } from '../run.ts'
import { ENVELOPE_KEYS, sentDate } from '../sort-keys.ts'
import type { ThreadTree } from './tree.ts'

/** Makes a tree of the messages; `message(node)` is a place in `found`. */
export type ThreadAlgorithm = (context: SearchContext, found: Found) => Promise<ThreadTree>

/** Of each message found, by its place. */
export interface Subjects {
  /** Base subjects, as they collate. */
  readonly subject: readonly string[]
  readonly isReply: readonly boolean[]
  /** Milliseconds since 1970. */
  readonly sent: Float64Array
}

export async function subjectsOf(context: SearchContext, { msns }: Found): Promise<Subjects> {
  const { view } = context.selected
  const subject: string[] = []
  const isReply: boolean[] = []
  const sent = new Float64Array(msns.length)
  await eachKeys(context, msns, ENVELOPE_KEYS, (keys, i) => {
    subject.push(keys.subject)
    isReply.push(keys.isReply)
    sent[i] = sentDate(keys, view.placeAt(msns[i]!)!)
  })
  return { subject, isReply, sent }
}
