/**
 * Message bytes on their way in. Up to one chunk of body stays in memory and goes into the appending statement itself; what is larger is staged in
 * `content_chunk` while it arrives, under a content id that nothing refers to yet: if the message never lands, the reaper takes the chunks.
 */
import { createHash, randomInt } from 'node:crypto'
import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'
import { CrlfGain } from '../../mail/crlf.ts'
import { MAX_HEADER_BYTES } from '../../mail/header.ts'
import { opaqueStructure } from '../../mail/opaque.ts'
import { shiftParts, unpackParts } from '../../mail/parts.ts'
import { MAX_PREVIEW_BYTES, previewOf } from '../../mail/preview.ts'
import { type MessageStructure, StructureParser } from '../../mail/structure.ts'
import type { AccountAccess } from '../access.ts'
import { Refusal } from '../errors.ts'
import type { ContentStage, StagedContent } from '../mailstore.ts'
import type { AccountId, ContentId } from '../types.ts'
import { CHUNK_BYTES, readChunk } from './chunk.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'

/** Smaller ones cost more to compress than to write. */
const COMPRESS_FROM = 16 * 1024
/** Compressed only where at least this share is saved: base64 of a compressed file gains 25 %, text more. */
const WORTH = 0.15
/** Raised when mail/structure.ts computes something else from the same bytes; where texts lie is part of it, so VERSION of mail/grams.ts rises too. */
export const STRUCTURE_VERSION = 3

const compress = promisify(zstdCompress)
const NOTHING = new Uint8Array(0)

export interface Chunk {
  readonly rawSize: number
  readonly zstd: boolean
  readonly data: Buffer
}

/** What `finish` gives: StagedContent for everyone, the rest for the statements that write it. */
export interface Staged extends StagedContent {
  readonly envelope: Buffer
  readonly bodystructure: Buffer
  readonly parts: Buffer
  /** See mail/preview.ts. */
  readonly preview: Buffer
  /** See mail/crlf.ts. */
  readonly crlfGain: number
  /** How many chunks the body has. */
  readonly chunks: number
  /** The only chunk, where the body is that small; undefined when the chunks are staged in the database, or there is no body. */
  readonly inline: Chunk | undefined
}

let counter = randomInt(2 ** 21)
/** See types.ts ContentId. */
export function newContentId(now = Date.now()): ContentId {
  counter = (counter + 1) % 2 ** 21
  return ((BigInt(now) << 21n) | BigInt(counter)) as ContentId
}

const STAGE_CHUNK: Statement = {
  name: 'stage_chunk',
  text: 'insert into content_chunk (account_id, content_id, seq, raw_size, zstd, data) values ($1, $2, $3, $4, $5, $6)',
}

async function encode(raw: Buffer): Promise<Chunk> {
  if (raw.length >= COMPRESS_FROM) {
    const packed = await compress(raw)
    if (packed.length < raw.length * (1 - WORTH)) return { rawSize: raw.length, zstd: true, data: packed }
  }
  return { rawSize: raw.length, zstd: false, data: raw }
}

/** Takes a message apart as it comes; StructureParser, unless a test has another. */
export interface Anatomist {
  write(chunk: Uint8Array): void
  end(): Pick<MessageStructure, 'envelope' | 'bodystructure' | 'parts'>
}

export interface StageOptions {
  readonly maxSize: number
  /** Hears what was wrong with a message that could not be taken apart: it is stored all the same, as opaque octets, since its sender would only send it again. */
  readonly onPoison?: (why: unknown, content: ContentId) => void
  readonly anatomist?: Anatomist
}

export class Stage implements ContentStage {
  readonly #pool: Pool
  readonly #account: AccountId
  readonly #maxSize: number
  readonly #id = newContentId()
  readonly #hash = createHash('sha256')
  readonly #onPoison: (why: unknown, content: ContentId) => void
  /** undefined: it gave up. */
  #anatomist: Anatomist | undefined
  readonly #crlf = new CrlfGain()
  #size = 0
  /** Not yet in a chunk; `#pendingBytes` of it. While the header is open, header and all. */
  #pending: Buffer[] = []
  #pendingBytes = 0
  #header: Buffer | undefined
  #end = new HeaderEnd()
  #staged = 0
  /** The first octets of the body, for the preview. */
  #beginning: Buffer = Buffer.alloc(0)
  #over = false

  constructor(pool: Pool, access: AccountAccess, { maxSize, onPoison = () => {}, anatomist = new StructureParser() }: StageOptions) {
    this.#pool = pool
    this.#account = access.account
    this.#maxSize = maxSize
    this.#onPoison = onPoison
    this.#anatomist = anatomist
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#over) throw new Error('this stage is finished')
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#size += chunk.length
    if (this.#size > this.#maxSize) {
      this.discard()
      throw new Refusal('too-big', `the message is larger than ${this.#maxSize} octets`)
    }
    this.#hash.update(chunk)
    this.#takeApart((anatomist) => anatomist.write(chunk))
    this.#crlf.write(chunk)
    this.#pending.push(chunk)
    this.#pendingBytes += chunk.length
    if (!this.#header) this.#lookForHeaderEnd(chunk)
    while (this.#header && this.#pendingBytes > CHUNK_BYTES) await this.#stage(this.#takeBody(CHUNK_BYTES))
  }

  async finish(top: Uint8Array = NOTHING): Promise<Staged> {
    if (this.#over) throw new Error('this stage is finished')
    this.#over = true
    // Without a blank line all of it is header.
    const own = this.#header ?? this.#takeBody(this.#pendingBytes)
    this.#header = top.length > 0 ? Buffer.concat([top, own]) : own
    this.#size += top.length
    if (this.#header.length > MAX_HEADER_BYTES) throw new Refusal('too-big', `the header is larger than ${MAX_HEADER_BYTES} octets`)
    let inline: Chunk | undefined
    if (this.#staged > 0) await this.#stage(this.#takeBody(this.#pendingBytes))
    else if (this.#pendingBytes > 0) {
      this.#beginning = this.#takeBody(this.#pendingBytes)
      inline = await encode(this.#beginning)
    }
    const structure = this.#takeApart((anatomist) => anatomist.end())
    const { envelope, bodystructure, parts: places } = structure ?? opaqueStructure(this.#header.length - top.length, this.#size - top.length)
    const parts = top.length > 0 ? shiftParts(places, top.length) : places
    const preview = this.#takeApart(() => previewOf({ header: this.#header!, body: this.#beginning }, unpackParts(parts)))
    return {
      account: this.#account,
      id: this.#id,
      size: this.#size,
      sha256: top.length > 0 ? await this.#hashAgain() : this.#hash.digest('hex'),
      header: this.#header,
      envelope,
      bodystructure,
      parts,
      preview: Buffer.from(preview ?? ''),
      crlfGain: this.#crlf.end(),
      chunks: inline ? 1 : this.#staged,
      inline,
    }
  }

  /** What stands on top comes before all that was hashed: once more, from memory or from what was staged. */
  async #hashAgain(): Promise<string> {
    const hash = createHash('sha256').update(this.#header!)
    if (this.#staged === 0) return hash.update(this.#beginning).digest('hex')
    for (let seq = 0; seq < this.#staged; seq++) hash.update(await readChunk(this.#pool, this.#account, this.#id, seq))
    return hash.digest('hex')
  }

  discard(): void {
    this.#over = true
    this.#pending = []
    this.#pendingBytes = 0
  }

  #takeApart<T>(step: (anatomist: Anatomist) => T): T | undefined {
    try {
      return this.#anatomist && step(this.#anatomist)
    } catch (err) {
      this.#anatomist = undefined
      this.#onPoison(err, this.#id)
      return undefined
    }
  }

  #lookForHeaderEnd(chunk: Buffer): void {
    const end = this.#end.take(chunk)
    if ((end ?? this.#size) > MAX_HEADER_BYTES) {
      this.discard()
      throw new Refusal('too-big', `the header is larger than ${MAX_HEADER_BYTES} octets`)
    }
    if (end !== undefined) this.#header = this.#takeBody(end)
  }

  /** Takes the first `n` pending bytes as one buffer. */
  #takeBody(n: number): Buffer {
    const all = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending, this.#pendingBytes)
    this.#pending = n < all.length ? [all.subarray(n)] : []
    this.#pendingBytes = all.length - n
    return all.subarray(0, n)
  }

  async #stage(raw: Buffer): Promise<void> {
    // A copy: the chunk itself is not to be kept while the others come.
    if (this.#staged === 0) this.#beginning = Buffer.from(raw.subarray(0, MAX_PREVIEW_BYTES))
    const { rawSize, zstd, data } = await encode(raw)
    await this.#pool.rows(STAGE_CHUNK, [this.#account, this.#id, this.#staged, rawSize, zstd, data])
    this.#staged++
  }
}

const LF = 10
const CR = 13

/** Finds the octet after the first empty line, over any cutting of the bytes. The same rule as mail/header.ts `headerEnd`. */
class HeaderEnd {
  #seen = 0
  /** Octets of the line so far, and whether the last of them is a CR. */
  #line = 0
  #cr = false

  /** The length of the header, blank line included, once it is known. */
  take(chunk: Buffer): number | undefined {
    let from = 0
    for (;;) {
      const lf = chunk.indexOf(LF, from)
      if (lf < 0) break
      const length = this.#line + lf - from
      const lastIsCr = lf > from ? chunk[lf - 1] === CR : this.#cr
      if (length === 0 || (length === 1 && lastIsCr)) return this.#seen + lf + 1
      this.#line = 0
      this.#cr = false
      from = lf + 1
    }
    if (from < chunk.length) {
      this.#line += chunk.length - from
      this.#cr = chunk[chunk.length - 1] === CR
    }
    this.#seen += chunk.length
    return undefined
  }
}
