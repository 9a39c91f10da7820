/** FETCH responses that the index alone answers: the hottest loop of the server. RFC 9051 §7.5.2. */

import { type LineWriter, Phrase } from '../../net/line-writer.ts'
import type { Span } from '../../store/view.ts'
import type { Reports } from '../reports.ts'
import type { FetchItem, ValueItem } from './item.ts'
import type { FetchRow } from './row.ts'

const UNTAGGED = new Phrase('* ')
const END = new Phrase(')\r\n')
/** What `begin` and `end` write at most. */
export const FRAME_ROOM = 32

/** What stands before an item's value: ` FETCH (NAME ` before the first one's, ` NAME ` before the others'. UIDFETCH where messages are named by UID. */
export const prefixes = (items: readonly FetchItem[], { uids }: Pick<Reports, 'uids'>): Phrase[] =>
  items.map(({ name }, i) => new Phrase(`${i > 0 ? ' ' : uids ? ' UIDFETCH (' : ' FETCH ('}${name} `))

/** By the message's sequence number or UID. */
export function begin(line: LineWriter, n: number): void {
  line.phrase(UNTAGGED)
  line.number(n)
}
export const end = (line: LineWriter): void => line.phrase(END)

export class IndexLines {
  readonly #items: readonly ValueItem[]
  readonly #prefixes: readonly Phrase[]
  /** Octets of the longest line. */
  readonly #room: number
  readonly #line: LineWriter
  readonly #row: FetchRow
  readonly #uids: boolean

  constructor(items: readonly ValueItem[], line: LineWriter, row: FetchRow, reports: Pick<Reports, 'uids'>) {
    this.#items = items
    this.#uids = reports.uids
    this.#prefixes = prefixes(items, reports)
    this.#room = items.reduce((sum, item, i) => sum + item.room + this.#prefixes[i]!.length, FRAME_ROOM)
    this.#line = line
    this.#row = row
  }

  /** One line for each message of the span. */
  write({ segment, from, to, msn }: Span): void {
    const row = this.#row
    const line = this.#line
    const items = this.#items
    const byUid = this.#uids
    row.segment = segment
    row.msn = msn
    for (row.at = from; row.at < to; row.at++, row.msn++) {
      line.room(this.#room)
      begin(line, byUid ? row.uid : row.msn)
      for (let i = 0; i < items.length; i++) {
        line.phrase(this.#prefixes[i]!)
        items[i]!.write(row, line)
      }
      end(line)
    }
  }
}
