/** The header block of a message on its way in: gathered before anything is stored, and looked at where a rule asks for it. */

import { canonical, formatAddrSpec } from '../mail/address.ts'
import { mailboxesOf, parseAddressList } from '../mail/address-list.ts'
import { headerFields, unfold } from '../mail/header.ts'
import type { SmtpLimits } from './limits.ts'
import { Reply } from './reply.ts'

const CR = 0x0d
const LF = 0x0a
const COLON = 0x3a

/** Gathers chunks until the blank line that ends the header block. */
export class HeaderGate {
  readonly #chunks: Buffer[] = []
  readonly #max: number
  #length = 0
  /** Octets of CRLF CRLF seen in a row; a message starts as if a line had ended. */
  #matched = 2

  /** `max` octets of block. */
  constructor(max: number) {
    this.#max = max
  }

  /** true: the block is whole. Throws Reply when it is too long. */
  push(chunk: Buffer): boolean {
    const end = this.#scan(chunk)
    this.#chunks.push(chunk)
    const block = this.#length + (end < 0 ? chunk.length : end)
    this.#length += chunk.length
    if (block > this.#max) throw new Reply(552, '5.6.0', `The header is too long`)
    return end >= 0
  }

  /** All that was pushed, in one piece. */
  take(): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#length)
  }

  #scan(chunk: Buffer): number {
    let matched = this.#matched
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i]
      if (c === CR) matched = matched === 2 ? 3 : 1
      else if (c === LF && matched === 3) return i + 1
      else matched = c === LF && matched === 1 ? 2 : 0
    }
    this.#matched = matched
    return -1
  }
}

/** Where the body starts in text whose lines end with CRLF. */
export function blockEnd(message: Buffer): number {
  if (message[0] === CR && message[1] === LF) return 2
  const blank = message.indexOf('\r\n\r\n')
  return blank < 0 ? message.length : blank + 4
}

/** What a server adds or counts. */
export interface HeaderFacts {
  readonly hasDate: boolean
  readonly hasMessageId: boolean
  /** `TLS-Required: No`, and nothing else of this name: RFC 8689 §3. */
  readonly tlsOptional: boolean
}

/** Bounds for every message: lines, field lengths, hops. Throws Reply. */
export function checkHeader(block: Buffer, limits: Pick<SmtpLimits, 'headerLines' | 'headerField' | 'hops'>): HeaderFacts {
  let lines = 0
  for (let at = block.indexOf(LF); at >= 0; at = block.indexOf(LF, at + 1)) lines++
  if (lines > limits.headerLines) throw new Reply(552, '5.6.0', `The header has more than ${limits.headerLines} lines`)
  let hops = 0
  let hasDate = false
  let hasMessageId = false
  const tlsRequired: string[] = []
  for (const { name, from, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (to - from > limits.headerField) throw new Reply(552, '5.6.0', `A header field exceeds ${limits.headerField} octets`)
    if (name === 'received') hops++
    else if (name === 'date') hasDate = true
    else if (name === 'message-id') hasMessageId = true
    else if (name === 'tls-required') tlsRequired.push(unfold(block, value, to))
  }
  if (hops > limits.hops) throw new Reply(554, '5.4.6', `More than ${limits.hops} Received lines: the message goes in circles`)
  return { hasDate, hasMessageId, tlsOptional: tlsRequired.length === 1 && isNo(tlsRequired[0]!) }
}

const isNo = (value: string): boolean => value.trim().toLowerCase() === 'no'

/**
 * Every line a field or its continuation, no NUL. Two readers of a broken header may see two senders, so what is submitted here has none. Throws Reply.
 */
export function checkSyntax(block: Buffer): void {
  if (block.includes(0)) throw new Reply(554, '5.6.0', 'NUL in the header')
  for (let at = 0; at < block.length; ) {
    const lf = block.indexOf(LF, at)
    const end = lf < 0 ? block.length : lf + 1
    if (block[at] === CR) return
    if (!isField(block, at, end) && !(at > 0 && isWhite(block[at]!))) throw new Reply(554, '5.6.0', 'A line of the header is no field')
    at = end
  }
}

/** Addresses in From and Sender together. */
const MAX_SENDERS = 20

/**
 * The canonical addresses of From (one field, at least one address, no group), then of Sender if there is one, wherever they stand: all that a reader may be shown as
 * the one who wrote. Throws Reply. RFC 5322 §3.6.2.
 */
export function sendersOf(block: Buffer): Set<string> {
  const authors = new Set<string>()
  const others = new Set<string>()
  let froms = 0
  for (const { name, value, to } of headerFields(block, Number.POSITIVE_INFINITY)) {
    if (name === 'from') froms++
    else if (name !== 'sender') continue
    for (const address of addressesOf(unfold(block, value, to))) (name === 'from' ? authors : others).add(address)
    if (authors.size + others.size > MAX_SENDERS) throw new Reply(550, '5.7.1', `More than ${MAX_SENDERS} senders`)
  }
  if (froms !== 1) throw new Reply(550, '5.7.1', `The message must have one From line, it has ${froms === 0 ? 'none' : 'several'}`)
  return new Set([...authors, ...others])
}

function addressesOf(value: string): string[] {
  const list = parseAddressList(Buffer.from(value, 'latin1').toString(), MAX_SENDERS + 1)
  if (list.length > MAX_SENDERS) throw new Reply(550, '5.7.1', `More than ${MAX_SENDERS} senders`)
  if (list.length === 0 || list.some(({ kind }) => kind === 'group')) throw new Reply(550, '5.7.1', 'From must be one address or a list of addresses')
  return mailboxesOf(list).map(({ local, domain }) => {
    const address = canonical(formatAddrSpec({ local, domain }))
    if (address === undefined) throw new Reply(550, '5.7.1', 'From holds something that is no address')
    return address
  })
}

function isField(block: Buffer, from: number, to: number): boolean {
  let i = from
  while (i < to && block[i]! > 32 && block[i]! < 127 && block[i] !== COLON) i++
  if (i === from) return false
  while (i < to && isWhite(block[i]!)) i++
  return i < to && block[i] === COLON
}

const isWhite = (c: number): boolean => c === 32 || c === 9
