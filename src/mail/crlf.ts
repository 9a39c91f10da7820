/** Line ends: how many octets a message gains where every line has to end in CRLF. */

const LF = 10
const CR = 13

/** Takes a message in pieces. One CR for each LF that has none before it, and CRLF for a last line without an end; a bare CR ends no line. */
export class CrlfGain {
  #gain = 0
  /** As if a line had ended before the first octet. */
  #last = LF

  write(octets: Uint8Array): void {
    for (let at = octets.indexOf(LF); at >= 0; at = octets.indexOf(LF, at + 1)) {
      const before = at > 0 ? octets[at - 1] : this.#last
      if (before !== CR) this.#gain++
    }
    if (octets.length > 0) this.#last = octets[octets.length - 1]!
  }

  /** Octets; 0 where the message is in that form already. */
  end(): number {
    return this.#gain + (this.#last === LF ? 0 : 2)
  }
}
