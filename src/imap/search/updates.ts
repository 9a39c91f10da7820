/**
 * Searches whose result is kept up to date: the client is told what comes into it and what leaves it, beside the news of the mailbox. RFC 5267 §4.3.
 * Messages that changed are asked anew, no others; keys that depend on the time of day are so, too, only then (RFC 5032 §2 leaves that open).
 */
import { Unavailable } from '../../store/errors.ts'
import { eachUid, toRanges, type UidRanges, within } from '../../store/uidset.ts'
import { fetchArrived } from '../fetch/arrived.ts'
import type { FetchItem } from '../fetch/item.ts'
import { membership } from '../fetch/ranges.ts'
import { Bad } from '../reply.ts'
import type { Updates } from '../selected.ts'
import type { SelectedSession } from '../session.ts'
import { type Question, writeCorrelators } from './answer.ts'
import { searchContext } from './context.ts'
import { type KeptResult, MailboxOrder, type Moved, SortedOrder } from './kept-results.ts'
import { and, BODY, NO, onIndex, type SearchKey, YES } from './key.ts'
import type { Criteria } from './parse.ts'
import { type Found, runSearch } from './run.ts'
import type { Criterion } from './sort.ts'
import { writeSet } from './write.ts'

/** Of one session. */
const MAX_CONTEXTS = 10
/** Messages that its sorted results may have together when they are made: 4 octets each, for as long as the mailbox is selected. */
const MAX_SORTED = 250_000
const MAX_UID = 2 ** 32 - 1

interface Context extends Pick<Question, 'tag' | 'by' | 'mailbox'> {
  readonly criteria: Criteria
  readonly result: KeptResult
  /** Of messages that arrive and come into it. */
  readonly fetched?: readonly FetchItem[] | undefined
  /** Changes up to here were looked at. */
  modseq: number
  /** What the UID `*` was then. */
  last: number
}

export interface Asked extends Omit<Context, 'result' | 'last'> {
  /** Of a sort. */
  readonly order?: readonly Criterion[]
}

/** The contexts of the selected mailbox; they go with it. */
export class SearchUpdates implements Updates {
  readonly #session: SelectedSession
  readonly #contexts = new Map<string, Context>()

  constructor(session: SelectedSession) {
    this.#session = session
  }

  /** Throws Bad for the tag of one that is still updated. */
  static check({ selected }: SelectedSession, tag: string): void {
    if (selected.updates instanceof SearchUpdates && selected.updates.#contexts.has(tag)) throw new Bad('Tag reuse')
  }

  /** From now on the client hears of changes; where it cannot, it is told so (RFC 5267 §4.3.1). `modseq` is of before the search. */
  static begin(session: SelectedSession, asked: Asked, found: Found): void {
    const { selected } = session
    const updates = selected.updates instanceof SearchUpdates ? selected.updates : new SearchUpdates(session)
    const why = updates.#contexts.size >= MAX_CONTEXTS ? 'Too many contexts' : (whyNot(asked) ?? updates.#whyNotSorted(asked, found))
    if (why) {
      SearchUpdates.refuse(session, asked.tag, why)
      return
    }
    const { tag, by, mailbox, criteria, modseq, fetched, order } = asked
    const { maxUid: last } = selected.view
    const result = order ? new SortedOrder(found.uids, order) : new MailboxOrder(found.uids)
    updates.#contexts.set(tag, { tag, by, mailbox, criteria, modseq, last, fetched, result })
    selected.updates = updates
  }

  static refuse({ out }: SelectedSession, tag: string, why: string): void {
    out.untagged().word('NO').wire(`[NOUPDATE "${tag}"]`).text(why).end()
  }

  #whyNotSorted({ order }: Asked, { uids }: Found): string | undefined {
    if (!order) return undefined
    let kept = uids.length
    for (const { result } of this.#contexts.values()) if (result instanceof SortedOrder) kept += result.size
    return kept > MAX_SORTED ? 'Too many messages' : undefined
  }

  cancel(tag: string): void {
    this.#contexts.delete(tag)
  }

  /** Something of a result is gone, and the client was not told: its number is good as long as EXPUNGE was not sent. */
  get losing(): boolean {
    const gone = this.#gone()
    if (gone.length === 0) return false
    for (const { result } of this.#contexts.values()) if (gone.some(result.holds(gone))) return true
    return false
  }

  async beforeExpunges(): Promise<void> {
    const gone = this.#gone()
    for (const context of this.#contexts.values()) await this.#remove(context, gone.filter(context.result.holds(gone)))
  }

  /** UIDs of messages that are gone and still counted. */
  #gone(): number[] {
    return this.#contexts.size === 0 ? [] : [...eachUid(this.#session.selected.view.gone([1, MAX_UID]))]
  }

  /** After EXISTS: the numbers of what came are good. `arrived`: UIDs that it told of. */
  async afterNews(arrived: UidRanges): Promise<void> {
    try {
      for (const context of this.#contexts.values()) await this.#update(context, arrived)
    } catch (error) {
      // The next news will do.
      if (!(error instanceof Unavailable)) throw error
    }
  }

  async #update(context: Context, arrived: UidRanges): Promise<void> {
    const { selected } = this.#session
    const { modseq, maxUid } = selected.view
    if (context.modseq === modseq) return
    const { key, starred } = context.criteria
    // Of those that did not change only the last one, and the one that was it, can have become another matter.
    const changed = changedSince(context.modseq, starred && maxUid !== context.last ? [context.last, maxUid] : [])
    const search = searchContext(this.#session)
    const { uids } = await runSearch(search, changed)
    if (uids.length > 0) {
      const matching = membership(toRanges((await runSearch(search, and([changed, key]))).uids))
      const isMember = context.result.holds(uids)
      const removed = uids.filter((uid) => !matching(uid) && isMember(uid))
      const added = uids.filter((uid) => matching(uid) && !isMember(uid))
      // RFC 5465 §7: EXISTS, FETCH, ADDTO; what comes in by its flags is known already.
      await fetchArrived(this.#session, within(toRanges(added), arrived), context.fetched ?? [])
      await this.#remove(context, removed)
      if (added.length > 0) await this.#write(context, 'ADDTO', await context.result.add(search, added))
    }
    context.modseq = modseq
    context.last = maxUid
  }

  async #remove(context: Context, uids: readonly number[]): Promise<void> {
    if (uids.length > 0) await this.#write(context, 'REMOVEFROM', context.result.remove(uids))
  }

  async #write({ tag, mailbox, by: asked }: Context, item: 'ADDTO' | 'REMOVEFROM', all: readonly Moved[]): Promise<void> {
    const { out, selected, reports } = this.#session
    const by = reports.uids ? 'uid' : asked
    writeCorrelators(out, { tag, mailbox })
    if (by === 'uid') out.word('UID')
    out.word(item).open()
    for (const { place, uids } of all) {
      out.number(place)
      await writeSet(out, by === 'uid' ? uids : uids.map((uid) => selected.view.msnOf(uid)!))
    }
    out.close().end()
  }
}

/** What sequence numbers and `$` name is what they named then; a STORE of all messages must not read all bodies; and scores are not kept. */
function whyNot({ criteria: { key, numbered }, order = [] }: Asked): string | undefined {
  if (numbered) return 'A search by sequence numbers is not updated'
  if (order.some((criterion) => criterion.key.kind === 'relevancy')) return 'A sort by relevancy is not updated'
  return readsBodies(key) ? 'A search of bodies is not updated' : undefined
}

function readsBodies(key: SearchKey): boolean {
  switch (key.kind) {
    case 'test':
      return key.cost === BODY
    case 'not':
      return readsBodies(key.key)
    case 'and':
    case 'or':
      return key.keys.some(readsBodies)
    default:
      return key satisfies never
  }
}

/** Or that have these UIDs. */
const changedSince = (modseq: number, others: readonly number[]): SearchKey =>
  onIndex(() => ({ segment: { modseqs, newest, uids }, from, to }, out) => {
    if (newest <= modseq) out.fill(NO, 0, to - from)
    else for (let row = from; row < to; row++) out[row - from] = modseqs[row]! > modseq ? YES : NO
    if (others.length > 0) for (let row = from; row < to; row++) if (others.includes(uids[row]!)) out[row - from] = YES
  })
