/** Keys of messages that are made of their contents: from the cache where they are known, else read, in batches, and made once. */
import type { ContentColumn, ContentRow } from '../../store/mailstore.ts'
import type { ContentId } from '../../store/types.ts'
import type { KeyCache } from './key-cache.ts'
import type { SearchContext } from './run.ts'

/** Contents asked of the store in one go; it reads ahead within them. */
const STEP = 4096

export interface KeyKind<T> {
  readonly cache: KeyCache<T>
  readonly want: readonly ContentColumn[]
  readonly make: (content: ContentRow) => T
  /** Characters that the keys hold. */
  readonly texts: (keys: T) => number
  /** Of a content that is gone. */
  readonly none: T
}

/** Calls `take` for each of the messages, in their order, with its place in the list. Reads in the account's turn. */
export async function eachKeys<T>(
  context: SearchContext,
  msns: readonly number[],
  kind: KeyKind<T>,
  take: (keys: T, at: number) => void,
): Promise<void> {
  const { selected, gate, work } = context
  const { account } = selected.access
  kind.cache.use(account)
  work.total += msns.length
  for (let at = 0; at < msns.length; at += STEP) {
    const ids = msns.slice(at, at + STEP).map((msn) => idOf(context, msn))
    const keys = ids.map((id) => kind.cache.get(account, id))
    if (keys.includes(undefined)) await gate.run(account, () => fill(context, ids, keys, kind))
    for (let i = 0; i < ids.length; i++) take(keys[i] ?? kind.none, at + i)
    work.done += ids.length
    if (work.over) await work.pass()
  }
}

function idOf({ selected }: SearchContext, msn: number): ContentId {
  const { segment, row } = selected.view.placeAt(msn)!
  return segment.contents[row] as ContentId
}

async function fill<T>(
  { store, selected, work }: SearchContext,
  ids: readonly ContentId[],
  keys: (T | undefined)[],
  kind: KeyKind<T>,
): Promise<void> {
  const missing = ids.flatMap((_, i) => (keys[i] === undefined ? [i] : []))
  const proof = kind.want[0]!
  let next = 0
  for await (const content of store.contents(
    selected.access,
    missing.map((i) => ids[i]!),
    kind.want,
  )) {
    const i = missing[next++]!
    if (content[proof] !== undefined) {
      const made = kind.make(content)
      keys[i] = made
      kind.cache.set(selected.access.account, content.id, made, kind.texts(made))
    }
    if (work.over) await work.pass()
  }
}
