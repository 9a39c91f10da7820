/** ARC for what is sent on: what was found out when it came, under a seal, for those who would find otherwise. RFC 8617 §5.1. */
import { createPrivateKey } from 'node:crypto'
import { arcChainOf, MAX_ARC_INSTANCE } from '../mail/arc-chain.ts'
import { algorithmOf, relaxedField, SIGNED, signedField, signedFields } from '../mail/dkim-header.ts'
import type { DkimKey } from './signing.ts'

/** Signatures are covered, so that it can be told what became of them; results and other sets must not be: RFC 8617 §4.1.2. */
const COVERED = [...SIGNED, 'dkim-signature']

/** Hardly anybody verifies chains with keys of another kind in them, and who cannot takes the chain for broken. */
export const maySeal = ({ privateKey }: DkimKey): boolean => createPrivateKey(privateKey).asymmetricKeyType === 'rsa'

export interface Sealed {
  /** The header block as it is sent on. */
  readonly block: Buffer
  /** SHA-256 of the body in relaxed form, base64. */
  readonly bodyHash: string
  /** What became of the chain that it came with: a result of RFC 8601. */
  readonly arc: string
  /** The authserv-id and results, as they stand in Authentication-Results. */
  readonly results: string
  /** Milliseconds since 1970; now if absent. */
  readonly time?: number
}

/**
 * The newest set, its seal first, each field with CRLF. undefined: there is nothing to be sealed, since the chain failed before, is full, or could not be checked. A
 * failed chain is marked once, by a seal of this set alone (RFC 8617 §5.1.2).
 */
export function sealBy({ domain, selector, privateKey }: DkimKey, { block, bodyHash, arc, results, time = Date.now() }: Sealed): string | undefined {
  const chain = arcChainOf(block)
  const instance = chain.highest + 1
  if (chain.saysFail || instance > MAX_ARC_INSTANCE) return undefined
  const cv = arc === 'none' && instance === 1 ? 'none' : arc === 'pass' && instance > 1 ? 'pass' : arc === 'fail' && instance > 1 ? 'fail' : undefined
  if (cv === undefined) return undefined
  const key = createPrivateKey(privateKey)
  const by = [`a=${algorithmOf(key)}`, `d=${domain}`, `s=${selector}`, `t=${Math.floor(time / 1000)}`]
  const { names, lines } = signedFields(block, COVERED)
  const found = `ARC-Authentication-Results: i=${instance}; ${results}\r\n`
  const tags = [`i=${instance}`, ...by, 'c=relaxed/relaxed', `h=${names.join(':')}`, `bh=${bodyHash}`, 'b=']
  const signature = signedField('ARC-Message-Signature', tags, lines, key)
  const before = cv === 'pass' ? chain.fields : []
  const covered = [...before, found, signature].map(relaxedField)
  return signedField('ARC-Seal', [`i=${instance}`, `cv=${cv}`, ...by, 'b='], covered, key) + signature + found
}
