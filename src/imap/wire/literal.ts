/** A literal that is still on the wire: the message of an APPEND, or a piece of one. */
import type { Node } from './node.ts'

export interface LiteralStream {
  /** Octets, as announced. */
  readonly size: number
  readonly form: 'literal' | 'literal8'
  /** Asks the client to go on if it waits for that, then yields exactly `size` octets in pieces. Once only. */
  read(): AsyncIterable<Buffer>
  /** After `read`: what follows, up to the next literal or the end of the command. Throws Bad. */
  next(): Promise<Sequel>
}

/** Where the list around a literal begins and ends is told by the atoms `(` and `)`, which no client can write. */
export interface Sequel {
  readonly nodes: readonly Node[]
  readonly stream: LiteralStream | undefined
}
