/** A literal that is still on the wire: the message of an APPEND. */
export interface LiteralStream {
  /** Octets, as announced. */
  readonly size: number
  readonly form: 'literal' | 'literal8'
  /** It stands in parentheses: `UTF8 (~{12}`. */
  readonly wrapped: boolean
  /** Asks the client to go on if it waits for that, then yields exactly `size` octets in pieces. Once only. */
  read(): AsyncIterable<Buffer>
  /** After `read`: the command ends here. Throws Bad if the line goes on. */
  end(): Promise<void>
}
