/** Body hashes of all signatures of one message: each form of the body is made once, and nothing of it is kept. RFC 6376 §3.7. */
import { createHash } from 'node:crypto'
import type { BodyHash } from 'mailauth/lib/dkim/dkim-verifier.js'
import { RelaxedBody, SimpleBody } from '../../mail/dkim-body.ts'

export type BodyForm = 'simple' | 'relaxed'

export class Bodies {
  readonly #forms = new Map<BodyForm, { readonly body: RelaxedBody | SimpleBody; readonly hashes: LimitedHash[] }>()
  #octets = 0

  /** `limit`: l=. */
  add(form: BodyForm, algorithm: string, limit: number | undefined): BodyHash {
    const hash = new LimitedHash(algorithm, limit ?? Number.POSITIVE_INFINITY)
    const known = this.#forms.get(form)
    if (known) known.hashes.push(hash)
    else {
      const hashes = [hash]
      const take = (octets: Buffer): void => {
        for (const one of hashes) one.take(octets)
      }
      this.#forms.set(form, { body: form === 'simple' ? new SimpleBody(take) : new RelaxedBody(take), hashes })
    }
    return hash
  }

  write(octets: Buffer): void {
    this.#octets += octets.length
    for (const { body } of this.#forms.values()) body.write(octets)
  }

  end(): void {
    for (const { body, hashes } of this.#forms.values()) {
      body.end()
      for (const hash of hashes) hash.byteLength = this.#octets
    }
  }
}

class LimitedHash implements BodyHash {
  readonly #hash
  readonly #limit: number
  byteLength = 0
  canonicalizedLength = 0
  bodyHashedBytes = 0

  constructor(algorithm: string, limit: number) {
    this.#hash = createHash(algorithm)
    this.#limit = limit
  }

  take(octets: Buffer): void {
    this.canonicalizedLength += octets.length
    const signed = octets.subarray(0, Math.max(0, this.#limit - this.bodyHashedBytes))
    this.bodyHashedBytes += signed.length
    this.#hash.update(signed)
  }

  digest(encoding: 'base64'): string {
    return this.#hash.digest(encoding)
  }

  // The body comes by `take`, and its structure does not matter.
  update(): void {}
  setContentType(): void {}
  getMimeStructureStart(): undefined {}
}
