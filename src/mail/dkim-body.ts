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

  constructor(take: (octets: Buffer) => void) {
    this.#take = take
  }

  write(octets: Uint8Array): void {
    for (const octet of octets) {
      if (octet === LF && this.#cr) {
        this.#cr = false
        this.#space = false
        this.#ends++
        continue
      }
      if (this.#cr) this.#put(CR)
      this.#cr = octet === CR
      if (octet === SP || octet === TAB) this.#space = true
      else if (octet !== CR) this.#put(octet)
    }
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

  #any = false

  #put(octet: number): void {
    for (; this.#ends > 0; this.#ends--) {
      this.#room(2)
      this.#out[this.#used++] = CR
      this.#out[this.#used++] = LF
    }
    this.#room(2)
    if (this.#space) this.#out[this.#used++] = SP
    this.#space = false
    this.#out[this.#used++] = octet
    this.#any = true
  }

  #room(n: number): void {
    if (this.#used + n > BLOCK) this.#flush()
  }

  #flush(): void {
    if (this.#used > 0) this.#take(this.#out.subarray(0, this.#used))
    this.#used = 0
  }
}
