/**
 * A backup file: tar (POSIX ustar) within zstd, so that `tar --zstd -tf` lists it. Entries are small and come in a fixed order: `backup.json` first, config and keys, the
 * rows, and `end.json` last, which proves that nothing is missing.
 */
import { createHash, type Hash } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { Header } from 'tar'
import { faultOf } from '../../file-faults.ts'

const BLOCK = 512
/** No entry is larger; a file that says otherwise is no backup. */
export const MAX_ENTRY = 64 * 1024 * 1024

export interface Entry {
  readonly path: string
  /** Of the file: 0o600. */
  readonly mode: number
  readonly octets: Buffer
}

/** The file is no backup, or not a whole one. */
export class ArchiveRefused extends Error {
  override readonly name = 'ArchiveRefused'
}

/** What `end.json` says: entries before it, and their digest. */
interface End {
  readonly entries: number
  readonly sha256: string
}
const END = 'end.json'

const note = (hash: Hash, { path, octets }: Entry): Hash => hash.update(`${path}\0${octets.length}\0`).update(octets)

/** Writes entries one by one; `finish` makes it a whole backup. Failures of the destination reject the write that meets them. */
export class ArchiveWriter {
  readonly #zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } })
  readonly #hash = createHash('sha256')
  readonly #written: Promise<void>
  #entries = 0

  constructor(into: Writable) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#written = promise
    promise.catch(() => {})
    for (const stream of [this.#zstd, into]) stream.on('error', reject)
    into.on('finish', resolve)
    this.#zstd.pipe(into)
  }

  async add(entry: Entry): Promise<void> {
    note(this.#hash, entry)
    this.#entries++
    await this.#put(entry)
  }

  async finish(): Promise<void> {
    const end: End = { entries: this.#entries, sha256: this.#hash.digest('hex') }
    await this.#put({ path: END, mode: 0o600, octets: Buffer.from(`${JSON.stringify(end)}\n`) })
    // Two empty blocks end a tar.
    this.#zstd.end(Buffer.alloc(2 * BLOCK))
    await this.#written
  }

  async #put({ path, mode, octets }: Entry): Promise<void> {
    if (octets.length > MAX_ENTRY) throw new Error(`${path} is too large for a backup`)
    const head = Buffer.alloc(BLOCK)
    const header = new Header({ path, mode, size: octets.length, mtime: new Date(), type: 'File', uid: 0, gid: 0 })
    if (header.encode(head, 0)) throw new Error(`the name ${path} is too long for a backup`)
    const padding = Buffer.alloc((BLOCK - (octets.length % BLOCK)) % BLOCK)
    for (const piece of [head, octets, padding]) await this.#write(piece)
  }

  async #write(piece: Buffer): Promise<void> {
    if (piece.length === 0) return
    await Promise.race([this.#written, new Promise<void>((resolve) => this.#zstd.write(piece, () => resolve()))])
  }
}

/** The entries of a backup, checked: ends only after `end.json` was right. Throws ArchiveRefused. */
export async function* readArchive(from: Readable): AsyncGenerator<Entry> {
  const zstd = createZstdDecompress()
  from.on('error', (err) => zstd.destroy(err))
  const source = new Source(from.pipe(zstd))
  const hash = createHash('sha256')
  for (let entries = 0; ; entries++) {
    const entry = await readEntry(source)
    if (entry.path === END) {
      const { entries: wanted, sha256 } = JSON.parse(entry.octets.toString('utf8')) as Partial<End>
      if (wanted !== entries || sha256 !== hash.digest('hex'))
        throw new ArchiveRefused('the backup is damaged: its contents are not what its end says')
      return
    }
    note(hash, entry)
    yield entry
  }
}

async function readEntry(source: Source): Promise<Entry> {
  const header = new Header(await source.take(BLOCK))
  if (!header.cksumValid || header.path === undefined || header.size === undefined || header.size > MAX_ENTRY || header.type !== 'File')
    throw new ArchiveRefused('this is no backup of Postern, or it is cut off')
  const octets = await source.take(header.size)
  await source.take((BLOCK - (header.size % BLOCK)) % BLOCK)
  return { path: header.path, mode: header.mode ?? 0o600, octets }
}

/** Exact numbers of octets from a stream. */
class Source {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  async take(count: number): Promise<Buffer> {
    const pieces: Buffer[] = [this.#rest]
    let have = this.#rest.length
    while (have < count) {
      const next = await this.#chunks.next().catch((cause: unknown) => {
        throw new ArchiveRefused(`the backup cannot be read: ${faultOf(cause)}`)
      })
      if (next.done) throw new ArchiveRefused('the backup is cut off: its end is missing')
      pieces.push(next.value)
      have += next.value.length
    }
    const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    this.#rest = all.subarray(count)
    return all.subarray(0, count)
  }
}
