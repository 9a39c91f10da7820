/** The arguments of FETCH and UID FETCH. RFC 9051 §6.4.5, §9 fetch. */
import type { By } from '../command.ts'
import { Bad } from '../reply.ts'
import { type FetchOptions, readParameters, type Tables } from '../tables.ts'
import type { NumberSet } from '../wire/numset.ts'
import type { ArgumentReader } from '../wire/read.ts'
import type { FetchItem, FetchItems } from './item.ts'
import { MODSEQ, UID } from './items.ts'

export interface FetchArgs {
  readonly set: NumberSet
  /** In the order asked, each name once. */
  readonly items: readonly FetchItem[]
  readonly options: Partial<FetchOptions>
}

/** A macro stands for these, alone and not in a list. */
const MACROS: ReadonlyMap<string, readonly string[]> = new Map([
  ['ALL', ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE']],
  ['FAST', ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE']],
  ['FULL', ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY']],
])
/** Different items of one command; the structure pass knows of 1,000 parts at most, and clients ask for a few dozen. */
const MAX_ITEMS = 250

/** Throws Bad. */
export function readFetch(r: ArgumentReader, by: By, { fetchItems, fetchModifiers }: Pick<Tables, 'fetchItems' | 'fetchModifiers'>): FetchArgs {
  const set = r.set()
  const items = new Map<string, FetchItem>()
  const add = (item: FetchItem): void => {
    items.set(item.name, item)
    if (items.size > MAX_ITEMS) throw new Bad('Too many data items')
  }
  // RFC 9051 §6.4.9, RFC 9586 §3.3: the answer to UID FETCH holds the UID, asked for or not.
  const named = readFetchItems(r, fetchItems)
  if (by === 'uid' && !r.uids && !named.some((item) => item.name === UID.name)) add(UID)
  for (const item of named) add(item)
  const options = r.next === 'list' ? readParameters(r, fetchModifiers) : {}
  // RFC 7162 §3.1.4.1: as if it had been asked for.
  if (options.changedSince !== undefined) add(MODSEQ)
  return { set, items: [...items.values()], options }
}

/** A macro, an item, or a list of items. Throws Bad. */
export function readFetchItems(r: ArgumentReader, known: FetchItems): FetchItem[] {
  const macro = MACROS.get(r.nextWord)
  if (macro) {
    r.any()
    return macro.map((name) => itemOf({ kind: 'atom', text: name }, r, known))
  }
  if (r.next !== 'list') return [itemOf(r.item(), r, known)]
  return r.list((inner) => {
    const items: FetchItem[] = []
    while (inner.more) items.push(itemOf(inner.item(), inner, known))
    if (items.length === 0) throw new Bad('No data items')
    return items
  })
}

function itemOf(asked: ReturnType<ArgumentReader['item']>, r: ArgumentReader, known: FetchItems): FetchItem {
  const name = asked.text.toUpperCase()
  const item = known.get(name)
  if (!item) throw new Bad(MACROS.has(name) ? 'ALL, FAST and FULL stand alone' : 'Unknown data item')
  if (typeof item === 'function') return item(asked, r)
  if (asked.section || asked.partial) throw new Bad('This data item has no section')
  return item
}
