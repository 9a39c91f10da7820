/** mailauth's DKIM verifier within our bounds, with our body hashes: its own keep lines of any length in memory. */
import { DkimVerifier, type HeaderRow, type Headers, type SignatureResult } from 'mailauth/lib/dkim/dkim-verifier.js'
import { ARC_FIELDS, MAX_ARC_INSTANCE } from '../../mail/arc-chain.ts'
import { MAX_FROM } from './author.ts'
import { Bodies, type BodyForm } from './bodies.ts'
import type { NodeResolver } from './resolver.ts'

/** Signatures that are looked at, from the top. RFC 6376 §6.1 leaves the number to us. */
const MAX_SIGNATURES = 5
/** Octets of a signature, or of one field of an ARC set. */
const MAX_SIGNATURE = 16 * 1024
/** White space in a row within one of those: mailauth takes the square of it in time. */
const MAX_BLANKS = 100
/** RFC 8301 §3.2. */
export const SHORTEST_RSA_KEY = 1024
const ARC: ReadonlySet<string> = new Set(ARC_FIELDS)

export class Verifier extends DkimVerifier {
  readonly #bodies = new Bodies()
  #ignored = 0
  #arcIsTooLong = false

  constructor(resolver: NodeResolver) {
    super({ resolver, strict: true, minBitLength: SHORTEST_RSA_KEY, sender: '' })
  }

  /** Signatures that were not looked at. */
  get ignored(): number {
    return this.#ignored
  }

  get arcIsTooLong(): boolean {
    return this.#arcIsTooLong
  }

  body(octets: Buffer): void {
    this.#bodies.write(octets)
  }

  /** To be asked for before the body; to be read when it was finished. SHA-256 of the relaxed form, base64. */
  bodyHash(): () => string {
    const hash = this.#bodies.add('relaxed', 'sha256', undefined)
    return () => hash.digest('base64')
  }

  /** One result for each signature. */
  async finish(): Promise<readonly SignatureResult[]> {
    this.#bodies.end()
    await this.finalChunk()
    const sealed = this.arc.lastEntry?.messageSignature
    for (const result of sealed ? [...this.results, sealed] : this.results) refuseUnsigned(result)
    return this.results.filter(({ status }) => status.result !== 'none')
  }

  override async emitHeaders(block: Buffer): Promise<void> {
    await super.emitHeaders(block.subarray(firstField(block)))
  }

  override async messageHeaders(headers: Headers): Promise<void> {
    await super.messageHeaders({ ...headers, parsed: this.#bounded(headers.parsed) })
    // A signature may be of any field.
    this.headers = headers
  }

  override addBodyHash(canonicalization: string, algorithm: string, length: number | ''): string {
    const key = `${canonicalization}:${algorithm}:${length}`
    if (!this.bodyHashes.has(key))
      this.bodyHashes.set(key, this.#bodies.add(canonicalization as BodyForm, algorithm, length === '' ? undefined : length))
    return key
  }

  /** What is worth being read. */
  #bounded(rows: readonly HeaderRow[]): HeaderRow[] {
    const arc = rows.filter(({ key }) => ARC.has(key))
    this.#arcIsTooLong = arc.length > MAX_ARC_INSTANCE * ARC_FIELDS.length || !arc.every(isShort)
    let signatures = 0
    const kept = rows.filter((row) => {
      const { key, line } = row
      if (key === 'from') return line.length <= MAX_FROM
      if (ARC.has(key)) return !this.#arcIsTooLong
      if (key !== 'dkim-signature') return false
      const looked = signatures < MAX_SIGNATURES && isShort(row)
      if (looked) signatures++
      else this.#ignored++
      return looked
    })
    return kept
  }
}

function isShort({ line }: HeaderRow): boolean {
  if (line.length > MAX_SIGNATURE) return false
  let blanks = 0
  for (const octet of line) {
    blanks = octet <= 0x20 ? blanks + 1 : 0
    if (blanks > MAX_BLANKS) return false
  }
  return true
}

/** Where the first line is that begins a field. What stands before it is none: nothing can sign it, and mailauth, which takes all of it for a name, the square of its length in time. */
function firstField(block: Buffer): number {
  let at = 0
  while (at < block.length) {
    let colon = at
    while (block[colon]! > 0x20 && block[colon]! < 0x7f && block[colon] !== 0x3a) colon++
    let end = colon
    while (end > at && block[end]! <= 0x20) end++
    if (colon > at && block[end] === 0x3a) return at
    const lf = block.indexOf(0x0a, at)
    at = lf < 0 ? block.length : lf + 1
  }
  return at
}

/** What l= leaves out anybody may have written (RFC 6376 §8.2). */
function refuseUnsigned({ status }: SignatureResult): void {
  if (status.result !== 'pass' || !status.underSized) return
  status.result = 'policy'
  status.comment = `l= leaves ${status.underSized} octets unsigned`
}
