/** The text of a message as a person reads it: what SEARCH TEXT and BODY look through. RFC 9051 §6.4.4. */
import { decodeText } from './charset.ts'
import { collectFields, headerFields, unfold } from './header.ts'
import { htmlText } from './html.ts'
import { parameter, parseParametrised } from './parameters.ts'
import type { Part } from './parts.ts'
import { type TransferDecoder, transferDecoder } from './transfer.ts'
import { decodeWords } from './words.ts'

/** Bytes of headers and decoded text parts of one message that are looked at. */
export const MAX_TEXT_BYTES = 1024 * 1024

export interface SearchText {
  /** The message's own header: `Name: decoded value` lines; decoded when it is asked for. */
  readonly header: string
  /** Headers of parts and messages within, and text parts: decoded, HTML without its tags. */
  readonly body: string
}

/** Of a message that is all in memory. */
export function searchText(message: Uint8Array, parts: readonly Part[]): SearchText {
  const collector = new TextCollector(parts)
  collector.write(message)
  return collector.end()
}

/** `write` the message's bytes in order, as long as `done` is false; then `end` once. */
export class TextCollector {
  readonly #regions: readonly Region[]
  /** Of the region that the next byte is in or before. */
  #at = 0
  #offset = 0
  #left: number
  #pieces: Buffer[] = []
  #decoder: TransferDecoder | undefined
  /** Of the last header: it may be that of the body which follows. */
  #charset: string | undefined
  #top: Buffer = Buffer.alloc(0)
  readonly #body: string[] = []

  constructor(parts: readonly Part[], maxBytes = MAX_TEXT_BYTES) {
    this.#regions = regionsOf(parts)
    this.#left = maxBytes
  }

  /** All that is looked at was written. */
  get done(): boolean {
    return this.#at === this.#regions.length || this.#left === 0
  }

  write(chunk: Uint8Array): void {
    const from = this.#offset
    const to = (this.#offset += chunk.length)
    for (let region = this.#regions[this.#at]; region && region.from < to && !this.done; region = this.#regions[this.#at]) {
      this.#collect(chunk.subarray(Math.max(0, region.from - from), Math.min(chunk.length, region.to - from)), region)
      if (region.to > to) return
      this.#finish(region)
    }
  }

  end(): SearchText {
    const region = this.#regions[this.#at]
    if (region) this.#finish(region)
    const top = this.#top
    return {
      get header() {
        return headerText(top)
      },
      body: this.#body.join('\n'),
    }
  }

  #collect(bytes: Uint8Array, { part, header }: Region): void {
    if (!header) this.#decoder ??= transferDecoder(part.encoding)
    this.#keep(this.#decoder ? this.#decoder.write(bytes) : bytes)
  }

  #keep(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, this.#left)
    this.#left -= kept.length
    if (kept.length > 0) this.#pieces.push(Buffer.from(kept)) // a copy: the chunk is not ours
  }

  #finish(region: Region): void {
    if (this.#decoder) this.#keep(this.#decoder.end())
    const bytes = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#decoder = undefined
    this.#at++
    if (region.header) {
      this.#charset = charsetOf(bytes)
      if (region.from === 0) this.#top = bytes
      else {
        const text = headerText(bytes)
        if (text !== '') this.#body.push(text)
      }
    } else {
      const text = decodeText(bytes, this.#charset)
      this.#body.push(region.part.media === 'html' ? htmlText(text) : text)
    }
  }
}

interface Region {
  readonly part: Part
  readonly header: boolean
  readonly from: number
  readonly to: number
}

/** Every header, and the bodies of text parts, in the order of their bytes; each body right behind its header. */
function regionsOf(parts: readonly Part[]): Region[] {
  return parts.flatMap((part) => {
    const { headerFrom, bodyFrom, bodyTo } = part
    const header = { part, header: true, from: headerFrom, to: bodyFrom }
    if (part.parent >= 0 && headerFrom === bodyTo) return [] // the empty part of a multipart that has none
    return part.kind === 'leaf' && part.media !== 'other' ? [header, { part, header: false, from: bodyFrom, to: bodyTo }] : [header]
  })
}

function headerText(block: Buffer): string {
  let out = ''
  for (const { from, value, to } of headerFields(block)) out += `${block.toString('latin1', from, value)} ${decodeWords(unfold(block, value, to))}\n`
  return out
}

const CONTENT_TYPE = new Set(['content-type'])

function charsetOf(block: Buffer): string | undefined {
  const field = collectFields(block, CONTENT_TYPE).get('content-type')?.[0]
  return field === undefined ? undefined : parameter(parseParametrised(field).parameters, 'charset')
}
