/** What a FETCH item is: where its value comes from and how it is written. */

import type { LineWriter } from '../../net/line-writer.ts'
import type { ContentColumn } from '../../store/mailstore.ts'
import type { AtomNode } from '../wire/node.ts'
import type { ArgumentReader } from '../wire/read.ts'
import type { Encoded } from './decoded.ts'
import type { FetchRow } from './row.ts'
import type { Partial } from './section.ts'

interface Named {
  /** As it stands in the response; two items of one name are the same item. */
  readonly name: string
  /** Columns of the content beside the index's own; none: the item is answered from memory. */
  readonly needs: readonly ContentColumn[]
  /** Reading it sets \Seen (RFC 9051 §6.4.5). */
  readonly seen?: boolean
  /** Asking for it turns this capability on, as ENABLE would. */
  readonly enables?: string
}

/** A value made of what the index and the content's columns hold. */
export interface ValueItem extends Named {
  readonly kind: 'value'
  /** Octets that `write` takes at most without asking for room. */
  readonly room: number
  /** Writes the value; `room` octets are free. A longer one goes through `line.octets`. */
  write(row: FetchRow, line: LineWriter): void
}

/** Octets of the message, which may be too many for memory. */
export interface OctetsItem extends Named {
  readonly kind: 'octets'
  readonly partial?: Partial | undefined
  /** Not the octets, but how many there are: of `encoded` ones when they are decoded. */
  readonly sizeOnly?: boolean
  /** Where the octets are, before `partial` is applied. */
  locate(row: FetchRow): Octets
}

export type FetchItem = ValueItem | OctetsItem

export type Octets =
  /** There is no such part: NIL. */
  | { readonly kind: 'none' }
  /** From … to (exclusive) of the message. */
  | { readonly kind: 'range'; readonly from: number; readonly to: number }
  /** In memory already. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** From … to (exclusive) of the message, without their transfer encoding. */
  | ({ readonly kind: 'encoded' } & Encoded)
  /** Encoded in a way that nobody knows (RFC 3516 §4.2 UNKNOWN-CTE). */
  | { readonly kind: 'undecodable' }
  /** To be made of a header block that lies within the message. */
  | { readonly kind: 'derived'; readonly from: number; readonly to: number; readonly make: (block: Buffer) => Uint8Array }

/** Names a client may ask for, upper case, and what it gets. Extensions add to a copy of FETCH_ITEMS. A function reads what stands behind the name: within the token, or after it. */
export type FetchItems = ReadonlyMap<string, FetchItem | ((asked: AtomNode, r: ArgumentReader) => FetchItem)>

/** The same item for those who did not ask now: reading it sets no flag. */
export const withoutSeen = (item: FetchItem): FetchItem => (item.seen ? { ...item, seen: false } : item)
