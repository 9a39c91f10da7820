/** The body of a message in DKIM's relaxed form, octet by octet: RFC 6376 §3.4.4. */

const SP = 32
const TAB = 9
const CR = 13
const LF = 10
const BLOCK = 16 * 1024

/** Takes the body in any pieces and gives its relaxed form to `take`, in pieces that are only valid within the call. Line ends are CRLF. */
export class RelaxedBody {
  readonly #take: (octets: Buffer) => void
  readonly #out = Buffer.allocUnsafe(BLOCK)
  #used = 0
  /** White space that counts only if something follows it in its line. */
  #space = false
  /** Line ends that count only if something follows them in the body. */
  #ends = 0
  #cr = false
  #any = false

  constructor(take: (octets: Buffer) => void) {
    this.#take = take
  }

  write(octets: Uint8Array): void {
    const out = this.#out
    for (let at = 0; at < octets.length; ) {
      const octet = octets[at]!
      if (octet > SP && !this.#cr) {
        this.#begin()
        // The loop that most octets go through.
        const end = Math.min(octets.length, at + BLOCK - this.#used)
        let used = this.#used
        for (; at < end && octets[at]! > SP; at++) out[used++] = octets[at]!
        this.#used = used
      } else {
        this.#step(octet)
        at++
      }
    }
  }

  #step(octet: number): void {
    if (octet === LF && this.#cr) {
      this.#cr = false
      this.#space = false
      this.#ends++
      return
    }
    if (this.#cr) this.#put(CR)
    this.#cr = octet === CR
    if (octet === SP || octet === TAB) this.#space = true
    else if (octet !== CR) this.#put(octet)
  }

  /** A last line without an end gets one; empty lines at the end are none. */
  end(): void {
    if (this.#cr) this.#put(CR)
    if (this.#any) {
      this.#room(2)
      this.#used += this.#out.write('\r\n', this.#used, 'latin1')
    }
    this.#flush()
  }

  #put(octet: number): void {
    this.#begin()
    this.#out[this.#used++] = octet
  }

  /** Something follows: what was held back for it comes first, and there is room for an octet. */
  #begin(): void {
    if (this.#ends > 0) this.#lineEnds()
    this.#room(2)
    if (this.#space) this.#out[this.#used++] = SP
    this.#space = false
    this.#any = true
  }

  #lineEnds(): void {
    while (this.#ends > 0) {
      this.#room(2)
      const n = Math.min(this.#ends, (BLOCK - this.#used) >> 1, RUN.length / 2)
      this.#used += RUN.copy(this.#out, this.#used, 0, n * 2)
      this.#ends -= n
    }
  }

  #room(n: number): void {
    if (this.#used + n > BLOCK) this.#flush()
  }

  #flush(): void {
    if (this.#used > 0) this.#take(this.#out.subarray(0, this.#used))
    this.#used = 0
  }
}

/** The same for the simple form: RFC 6376 §3.4.3. */
export class SimpleBody {
  readonly #take: (octets: Buffer) => void
  /** Line ends that count only if something follows them. */
  #ends = 0
  #cr = false

  constructor(take: (octets: Buffer) => void) {
    this.#take = take
  }

  write(octets: Uint8Array): void {
    const bytes = Buffer.from(octets.buffer, octets.byteOffset, octets.length)
    let at = 0
    if (bytes.length === 0) return
    if (this.#cr && bytes[0] === LF) {
      this.#ends++
      at = 1
    } else if (this.#cr) this.#give(CR_ALONE)
    const end = contentEnd(bytes, at)
    if (end > at) this.#give(bytes.subarray(at, end))
    this.#ends += (bytes.length - end) >> 1
    this.#cr = ((bytes.length - end) & 1) === 1
  }

  end(): void {
    if (this.#cr) this.#give(CR_ALONE)
    this.#take(CRLF)
  }

  #give(octets: Buffer): void {
    for (; this.#ends > 0; this.#ends -= Math.min(this.#ends, RUN.length / 2)) this.#take(RUN.subarray(0, this.#ends * 2))
    this.#take(octets)
  }
}

const CR_ALONE = Buffer.from('\r')
const CRLF = Buffer.from('\r\n')
const RUN = Buffer.from('\r\n'.repeat(512))

/** Where the line ends begin that the octets from `at` on end with; the LF of the last one may be still to come. */
function contentEnd(bytes: Buffer, at: number): number {
  let end = bytes.length
  if (end > at && bytes[end - 1] === CR) end--
  while (end - 2 >= at && bytes[end - 2] === CR && bytes[end - 1] === LF) end -= 2
  return end
}
