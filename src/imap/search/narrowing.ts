/** What the store's index of texts rules out, before any message is read. */
import type { MailboxAccess } from '../../store/access.ts'
import type { MailStore, TextProbe } from '../../store/mailstore.ts'
import type { ContentId } from '../../store/types.ts'
import type { Work } from '../work.ts'

/** Texts of one search that are asked for; the index is not asked about others. Each costs an octet for each open message. */
const MAX_PROBES = 16
/** Messages that the index is asked about at a time. */
const STEP = 16_384
/** Fewer are read as soon as the index would have answered. */
const WORTH = 64

export class Narrowing {
  readonly #probes: TextProbe[] = []
  /** For each probe a column: at an open message's place 0 where it does not hold the text. */
  readonly columns: Uint8Array[] = []

  /** The column of a text at that place; undefined where there are too many. */
  column(probe: TextProbe): number | undefined {
    const name = nameOf(probe)
    const known = this.#probes.findIndex((other) => nameOf(other) === name)
    if (known >= 0) return known
    return this.#probes.length < MAX_PROBES ? this.#probes.push(probe) - 1 : undefined
  }

  /** Fills the columns for these contents; false where there is nothing to be ruled out. */
  async fill(
    store: Pick<MailStore, 'narrow'>,
    on: { access: MailboxAccess; count: number; ids: (from: number, to: number) => ContentId[]; work: Work },
  ): Promise<boolean> {
    const { access, count, ids, work } = on
    if (this.#probes.length === 0 || count < WORTH) return false
    this.columns.push(...this.#probes.map(() => new Uint8Array(count)))
    for (let from = 0; from < count; from += STEP) {
      const to = Math.min(count, from + STEP)
      const may = await store.narrow(access, ids(from, to), this.#probes)
      for (const [i, column] of this.columns.entries()) column.set(may[i]!, from)
      if (work.over) await work.pass()
    }
    return true
  }
}

const nameOf = ({ place, text }: TextProbe): string => `${typeof place === 'string' ? place : `${place.field}:`} ${text}`
