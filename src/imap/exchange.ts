/** What a running command may ask of the client: a continuation line (AUTHENTICATE), or to be woken while it waits for one (IDLE). */
export interface Exchange {
  /** Sends `+ text`, reads one line of at most `max` octets, without its CRLF. Throws Bye when the client or the server ends meanwhile, Bad for a longer line. */
  ask(text: string, max: number): Promise<Buffer>
  /**
   * Waits for the client's next line, and calls `tick` whenever `wake` was called. A `tick` ends before the next one begins, and before this returns;
   * what it throws ends the wait. No idle timeout runs meanwhile.
   */
  wait(max: number, tick: () => Promise<void>): Promise<Buffer>
  /** Whether COMPRESS is in effect. */
  readonly compressed: boolean
  /** From now on both sides compress; everything said before must have been flushed. Once. RFC 4978. */
  compress(): void
  /** Something happened that a waiting command wants to see: runs its `tick` soon. Harmless when none waits. */
  wake(): void
}
