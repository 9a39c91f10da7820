/**
 * Searches whose result is kept up to date: the client is told what comes into it and what leaves it, beside the news of the mailbox. RFC 5267 §4.3.
 * Messages that changed are asked anew, no others; keys that depend on the time of day are so, too, only then (RFC 5032 §2 leaves that open).
 */
import { Unavailable } from '../../store/errors.ts'
import { eachUid, normalise, outside, packRanges, toRanges, type UidRanges, unpackRanges, within } from '../../store/uidset.ts'
import type { By } from '../command.ts'
import { membership } from '../fetch/ranges.ts'
import { Bad } from '../reply.ts'
import type { Updates } from '../selected.ts'
import type { SelectedSession } from '../session.ts'
import { searchContext } from './context.ts'
import { and, BODY, NO, onIndex, type SearchKey, YES } from './key.ts'
import { type Found, runSearch } from './run.ts'
import { writeSet } from './write.ts'

/** Of one session. */
const MAX_CONTEXTS = 10
const MAX_UID = 2 ** 32 - 1

interface Context {
  readonly tag: string
  readonly by: By
  readonly key: SearchKey
  /** UIDs of the result as the client knows it, packed. */
  members: Uint8Array
  /** Changes up to here were looked at. */
  modseq: number
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
  static begin(
    session: SelectedSession,
    context: Pick<Context, 'tag' | 'by' | 'key' | 'modseq'> & { readonly numbered: boolean },
    found: Found,
  ): void {
    const { selected, out } = session
    const updates = selected.updates instanceof SearchUpdates ? selected.updates : new SearchUpdates(session)
    const why = updates.#contexts.size >= MAX_CONTEXTS ? 'Too many contexts' : whyNot(context)
    if (why) {
      out.untagged().word('NO').wire(`[NOUPDATE "${context.tag}"]`).text(why).end()
      return
    }
    const { tag, by, key, modseq } = context
    updates.#contexts.set(tag, { tag, by, key, modseq, members: packRanges(toRanges(found.uids)) })
    selected.updates = updates
  }

  cancel(tag: string): void {
    this.#contexts.delete(tag)
  }

  /** Before EXPUNGE: the numbers of what goes are still good. */
  async beforeExpunges(): Promise<void> {
    if (this.#contexts.size === 0) return
    const gone = this.#session.selected.view.gone([1, MAX_UID])
    if (gone.length === 0) return
    for (const context of this.#contexts.values()) {
      const members = unpackRanges(context.members)
      const left = within(gone, members)
      if (left.length > 0) await this.#tell(context, members, { added: [], removed: [...eachUid(left)] })
    }
  }

  /** After EXISTS: the numbers of what came are good. */
  async afterNews(): Promise<void> {
    try {
      for (const context of this.#contexts.values()) await this.#update(context)
    } catch (error) {
      // The next news will do.
      if (!(error instanceof Unavailable)) throw error
    }
  }

  async #update(context: Context): Promise<void> {
    const { selected } = this.#session
    const { modseq } = selected.view
    if (context.modseq === modseq) return
    const changed = changedSince(context.modseq)
    const search = searchContext(this.#session)
    const { uids } = await runSearch(search, changed)
    if (uids.length > 0) {
      const matching = membership(toRanges((await runSearch(search, and([changed, context.key]))).uids))
      const members = unpackRanges(context.members)
      const isMember = membership(members)
      const added = uids.filter((uid) => matching(uid) && !isMember(uid))
      const removed = uids.filter((uid) => !matching(uid) && isMember(uid))
      await this.#tell(context, members, { added, removed })
    }
    context.modseq = modseq
  }

  async #tell(context: Context, members: UidRanges, { added, removed }: Readonly<Record<'added' | 'removed', readonly number[]>>): Promise<void> {
    if (removed.length > 0) await this.#write(context, 'REMOVEFROM', removed)
    if (added.length > 0) await this.#write(context, 'ADDTO', added)
    context.members = packRanges(normalise([...outside(members, toRanges(removed)), ...toRanges(added)]))
  }

  /** A place of 0: the result is in the order of the mailbox. */
  async #write({ tag, by: asked }: Context, item: 'ADDTO' | 'REMOVEFROM', uids: readonly number[]): Promise<void> {
    const { out, selected, reports } = this.#session
    const by = reports.uids ? 'uid' : asked
    const numbers = by === 'uid' ? uids : uids.flatMap((uid) => selected.view.msnOf(uid) ?? [])
    if (numbers.length === 0) return
    out.untagged().word('ESEARCH').open().word('TAG').string(tag).close()
    if (by === 'uid') out.word('UID')
    out.word(item).open().number(0)
    await writeSet(out, numbers)
    out.close().end()
  }
}

/** What sequence numbers and `$` name is what they named then; and a STORE of all messages must not read all bodies. */
function whyNot({ key, numbered }: { readonly key: SearchKey; readonly numbered: boolean }): string | undefined {
  if (numbered) return 'A search by sequence numbers is not updated'
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

const changedSince = (modseq: number): SearchKey =>
  onIndex(() => ({ segment: { modseqs, newest }, from, to }, out) => {
    if (newest <= modseq) out.fill(NO, 0, to - from)
    else for (let row = from; row < to; row++) out[row - from] = modseqs[row]! > modseq ? YES : NO
  })
