/** DKIM for what people here send: RFC 6376, RFC 8463. The signatures go on top of everything that they speak of. */
import { createHash, createPrivateKey } from 'node:crypto'
import type { Log } from '../log.ts'
import { RelaxedBody } from '../mail/dkim-body.ts'
import { algorithmOf, type SignedFields, signedField, signedFields } from '../mail/dkim-header.ts'

export interface DkimKey {
  /** d=, A-labels. */
  readonly domain: string
  readonly selector: string
  /** PEM, RSA or Ed25519. */
  readonly privateKey: string
}

/** The keys that sign for a domain now: none, or one of each kind. */
export type KeysFor = (domain: string) => Promise<readonly DkimKey[]>

/** Is given a message from its first octet to its last; then its lines stand on top, each with CRLF. */
export interface Signer {
  /** The chunk may be changed afterwards. */
  write(chunk: Buffer): void
  finish(): string
}

/**
 * Signs the message that passes through it. `block`: its header block; `added`: lines of ours that are part of it. A signature that cannot be made is no reason to hold up
 * mail: it goes without, and the log says so.
 */
export function signing(keys: readonly DkimKey[], { block, added }: { readonly block: Buffer; readonly added: string }, log: Log): Signer {
  const hash = bodyHash()
  let header = block.length
  return {
    write(chunk) {
      const skipped = Math.min(header, chunk.length)
      header -= skipped
      if (skipped < chunk.length) hash.write(chunk.subarray(skipped))
    },
    finish: () => signatures(keys, { block: Buffer.concat([Buffer.from(added), block]), bodyHash: hash.digest() }, log),
  }
}

/** SHA-256 of a body in relaxed form, base64. */
export function bodyHash(): { write(octets: Uint8Array): void; digest(): string } {
  const hash = createHash('sha256')
  const body = new RelaxedBody((octets) => hash.update(octets))
  return {
    write: (octets) => body.write(octets),
    digest() {
      body.end()
      return hash.digest('base64')
    },
  }
}

/** One field for each key that can be used, each with CRLF. */
export function signatures(
  keys: readonly DkimKey[],
  { block, bodyHash: hash }: { readonly block: Buffer; readonly bodyHash: string },
  log: Log,
): string {
  const signed = signedFields(block)
  const lines = keys.map((key) => {
    try {
      return signatureBy(key, signed, hash)
    } catch (err) {
      log.error({ err, domain: key.domain, selector: key.selector }, 'a message could not be signed with this key')
      return ''
    }
  })
  return lines.join('')
}

function signatureBy({ domain, selector, privateKey }: DkimKey, { names, lines }: SignedFields, hash: string): string {
  const key = createPrivateKey(privateKey)
  const tags = [
    ...['v=1', `a=${algorithmOf(key)}`, 'c=relaxed/relaxed', `d=${domain}`, `s=${selector}`, `t=${Math.floor(Date.now() / 1000)}`],
    ...[`h=${names.join(':')}`, `bh=${hash}`, 'b='],
  ]
  return signedField('DKIM-Signature', tags, lines, key)
}
