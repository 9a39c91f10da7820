/** What is read ahead for a client that fetches message by message. */
import type { ContentColumn, ContentRow, MailStore } from '../../store/mailstore.ts'
import { type Member, ReadAhead } from '../../store/read-ahead.ts'
import type { ContentId } from '../../store/types.ts'
import type { View } from '../../store/view.ts'
import type { Selected } from '../selected.ts'

/** FETCHes with different items that a client may have for each message in turn: its structure, then its parts. */
const MAX_KINDS = 3

export class FetchAhead {
  /** By the columns that are needed; the one used last is last. */
  readonly #kinds = new Map<string, ReadAhead>()

  /** Of the message with this sequence number. The row holds until the next one is taken. */
  take(
    store: Pick<MailStore, 'contents'>,
    selected: Selected,
    { msn, want }: { msn: number; want: readonly ContentColumn[] },
  ): ContentRow | Promise<ContentRow> {
    const kind = want.join()
    const ahead = this.#kinds.get(kind) ?? reader(store, selected, want)
    this.#kinds.delete(kind)
    const [oldest] = this.#kinds
    if (oldest && this.#kinds.size >= MAX_KINDS) {
      oldest[1].close()
      this.#kinds.delete(oldest[0])
    }
    this.#kinds.set(kind, ahead)
    return ahead.take(memberAt(selected.view, msn)!)
  }

  /** Whether or not a row is on its way still. */
  close(): void {
    for (const ahead of this.#kinds.values()) ahead.giveUp()
    this.#kinds.clear()
  }
}

const reader = (store: Pick<MailStore, 'contents'>, selected: Selected, want: readonly ContentColumn[]): ReadAhead =>
  new ReadAhead((asked) => store.contents(selected.access, asked, want).batches(), {
    beside: (uid, step) => memberAt(selected.view, step > 0 ? selected.view.msnFrom(uid + 1) : selected.view.msnFrom(uid) - 1),
  })

function memberAt(view: View, msn: number): Member | undefined {
  const place = view.placeAt(msn)
  if (!place) return undefined
  const { segment, row } = place
  return { key: segment.uids[row]!, content: { id: segment.contents[row] as ContentId, size: segment.sizes[row]! } }
}
