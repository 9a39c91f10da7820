/**
 * A message whose bodies have no octet above 127, for servers that do not say 8BITMIME (RFC 6152 §3): parts with such octets are encoded one by one, text as
 * quoted-printable, all else as base64. Everything else goes as it is. Headers are not touched but for Content-Transfer-Encoding, and what says how to read a body that said
 * nothing (RFC 1428 §3). A message whose bodies are 7-bit, whatever it says of them, stays as it is, so that signatures of it hold.
 */
import { firstField } from './header.ts'
import type { Part } from './parts.ts'
import { isComposite, labelled, type Range, type Read, type Recoding, type Rule, recoding } from './recoding.ts'
import { Base64Encoder, QuotedPrintableEncoder } from './transfer-encoder.ts'

/** It has octets above 127 where nobody may encode them. */
export class Unconvertible extends Error {
  /** RFC 3463 §3.7. */
  readonly status: '5.6.2' | '5.6.3'

  constructor(status: '5.6.2' | '5.6.3') {
    super(status === '5.6.2' ? 'what is signed in it would no longer be what was signed' : 'its parts cannot be told apart')
    this.status = status
  }
}

/** undefined: it is 7-bit. Throws Unconvertible. */
export const sevenBit = (parts: readonly Part[], range: Range, octets: Read): Promise<Recoding | undefined> => recoding(parts, range, octets, RULE)

const RULE: Rule = {
  // RFC 1847 §2.1: nobody on the way may change what they hold.
  seals: new Set(['multipart/signed']),
  forHeads: false,
  async encode({ part, type, sealed, body }) {
    if (!isPlain(part) || !(await hasEightBit(body()))) return undefined
    if (sealed) throw new Unconvertible('5.6.2')
    if (type.startsWith('multipart/') || type === 'message/rfc822') throw new Unconvertible('5.6.3')
    if (part.media === 'other' || isComposite(type)) return { name: 'base64', encoder: () => new Base64Encoder(), eightBit: true }
    return { name: 'quoted-printable', encoder: () => new QuotedPrintableEncoder(), eightBit: true }
  },
  /** What said that there may be 8-bit within it, which there is no more. RFC 2045 §6.4. */
  head(head) {
    const encoding = firstField(head, 'content-transfer-encoding')?.trim().toLowerCase()
    return encoding === '8bit' || encoding === 'binary' ? labelled(head, '7bit') : head
  },
}

/** Its octets are what they are: nothing encodes them yet. */
export const isPlain = ({ encoding }: Part): boolean => encoding === '7bit' || encoding === '8bit' || encoding === 'binary'

async function hasEightBit(pieces: AsyncIterable<Buffer>): Promise<boolean> {
  for await (const piece of pieces) if (piece.some((octet) => octet > 127)) return true
  return false
}
