/** What a search key is: a tree of tests, each of which says what must be loaded before it can answer. Tests answer for runs of messages at once. */

import type { Segment } from '../../store/index.ts'
import type { TextProbe } from '../../store/mailstore.ts'
import type { UidRanges } from '../../store/uidset.ts'
import type { BodyText, Needle } from './body-text.ts'
import type { HeaderText } from './header-text.ts'

/** What a test looks at, in the order of what that costs: the index of the mailbox, the header block, the text of the body. */
export const INDEX = 0
export const HEADER = 2
export const BODY = 3
export type Cost = typeof INDEX | typeof HEADER | typeof BODY
/** Between them: the index of texts was asked. No test looks at it; it says which tests on a message come to NO. */
export const NARROWED = 1

/** Verdicts, in an order in which AND is the least, OR the greatest and NOT the distance from YES. MAYBE: more must be loaded. */
export const NO = 0
export const MAYBE = 1
export const YES = 2

/** Messages under examination: rows from … to (exclusive) of a segment. Where more than the index is loaded it is one row. */
export class Rows {
  segment!: Segment
  from = 0
  to = 0
  /** Sequence number of the first row. */
  msn = 0
  loaded: Cost | typeof NARROWED = INDEX
  /** From NARROWED on: the message's place in the columns of `may`, and these, one for each text that the index was asked for. 0: it does not hold it. */
  nth = 0
  may: readonly Uint8Array[] = []
  /** From the cost HEADER on. */
  header!: HeaderText
  /** For the cost BODY. */
  body!: BodyText
}

/** What the mailbox and the session contribute to the meaning of keys. */
export interface Scope {
  /** keywords[i] is flag bit 5 + i. */
  readonly keywords: readonly string[]
  /** What `*` means: the highest sequence number and the highest UID of the view. */
  readonly exists: number
  readonly maxUid: number
  readonly isRecent: (uid: number) => boolean
  /** UIDs that `$` names. */
  readonly saved: () => UidRanges
  /** Milliseconds since 1970: one moment for the whole search. */
  readonly now: number
  /** Asks for something to be looked for in bodies; its place in `BodyText.found`. */
  readonly needle: (needle: Needle) => number
  /** Asks for the index of texts to be asked; the column in `Rows.may`, if it will. */
  readonly probe: (probe: TextProbe) => number | undefined
}

/** Writes NO or YES for each row, beginning at out[0]. Called once what it costs is loaded. */
export type Test = (rows: Rows, out: Uint8Array) => void

export type SearchKey =
  | { readonly kind: 'and' | 'or'; readonly keys: readonly SearchKey[] }
  | { readonly kind: 'not'; readonly key: SearchKey }
  | TestKey
export interface TestKey {
  readonly kind: 'test'
  readonly cost: Cost
  readonly bind: (scope: Scope) => Test
  /** The test comes to NO for every message that does not hold this. */
  readonly probe?: TextProbe | undefined
  /** How well one message passes it, from 1 to 100; 0 where it does not. Only of what was asked to be matched leniently (RFC 6203 §4). */
  readonly quality?: Quality
}
/** Makes what is called once what the test costs is loaded. */
export type Quality = (scope: Scope) => (message: Rows) => number

export const and = (keys: readonly SearchKey[]): SearchKey => (keys.length === 1 ? keys[0]! : { kind: 'and', keys })
export const or = (keys: readonly SearchKey[]): SearchKey => ({ kind: 'or', keys })
export const not = (key: SearchKey): SearchKey => (key.kind === 'not' ? key.key : { kind: 'not', key })

/** A test on a column of the index. `bind` gives a function that is compiled for one column and one comparison: it runs over whole mailboxes. */
export const onIndex = (bind: (scope: Scope) => Test): SearchKey => ({ kind: 'test', cost: INDEX, bind })

/** A test on what is read of one message. `probe`: what a message that passes it holds for certain. */
export const onMessage = (cost: Cost, bind: (scope: Scope) => (message: Rows) => boolean, probe?: TextProbe): TestKey => ({
  kind: 'test',
  cost,
  probe,
  bind: (scope) => {
    const test = bind(scope)
    return (rows, out) => {
      out[0] = test(rows) ? YES : NO
    }
  },
})

/** A test that says how well, too. */
export const onQuality = (cost: Cost, quality: Quality, probe?: TextProbe): SearchKey => ({
  ...onMessage(
    cost,
    (scope) => {
      const of = quality(scope)
      return (message) => of(message) > 0
    },
    probe,
  ),
  quality,
})
