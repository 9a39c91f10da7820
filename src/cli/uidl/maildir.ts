/** A Maildir with Dovecot's list: its messages in the order of their UIDs, each with the digests that its octets may have elsewhere. Memory is bounded however many there are. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { Refused } from '../../serve/refused.ts'
import { baseOf, parseHeader, parseRecord, type UidlistHeader, type UidlistRecord } from './dovecot-uidlist.ts'

const LIST = 'dovecot-uidlist'
/** Messages that are looked for in one walk through the folder. */
const BATCH = 10_000
/** Files that are read at a time. */
const AT_ONCE = 8
const MAX_LINE = 64 * 1024
const LF = 10
const CR = 13
const FOR_NUL = 0x80

export interface Maildir {
  readonly header: UidlistHeader
  readonly messages: AsyncIterable<MaildirMessage>
}

export interface MaildirMessage extends UidlistRecord {
  /** SHA-256 of the octets as they are, and with CRLF at the end of each line, as IMAP hands them on. Absent: there is no such file, or it cannot be read. */
  readonly digests: readonly Buffer[] | undefined
}

/** `path`: the Maildir, or the list in it. Throws Refused. */
export async function readMaildir(path: string): Promise<Maildir> {
  const list = existsSync(path) && statSync(path).isDirectory() ? join(path, LIST) : path
  if (basename(list) !== LIST || !existsSync(list) || !statSync(list).isFile())
    throw new Refused(`there is no ${LIST} in ${path}: name the folder of a Maildir that Dovecot kept`)
  const lines = linesOf(list)
  const first = await lines.next()
  return { header: parseHeader(first.done ? '' : first.value), messages: inBatches(dirname(list), lines) }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(file, 'latin1') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    if (rest.length > MAX_LINE) throw new Refused(`${file} has a line that is no list's`)
    yield* lines
  }
  if (rest !== '') yield rest
}

async function* inBatches(folder: string, lines: AsyncIterable<string>): AsyncGenerator<MaildirMessage> {
  let batch: UidlistRecord[] = []
  for await (const line of lines) {
    const record = parseRecord(line)
    if (!record) continue
    batch.push(record)
    if (batch.length < BATCH) continue
    yield* digested(folder, batch)
    batch = []
  }
  yield* digested(folder, batch)
}

async function* digested(folder: string, batch: readonly UidlistRecord[]): AsyncGenerator<MaildirMessage> {
  const wanted = new Set(batch.map(({ base }) => base))
  const digests = new Map<string, readonly Buffer[] | undefined>()
  const reading = new Set<Promise<void>>()
  for (const sub of ['cur', 'new']) {
    for await (const name of namesIn(join(folder, sub))) {
      const base = baseOf(name)
      if (!wanted.has(base)) continue
      const file = Buffer.concat([Buffer.from(`${join(folder, sub)}/`), Buffer.from(name, 'latin1')])
      const read = digestsOf(file).then((found) => {
        digests.set(base, found)
        reading.delete(read)
      })
      reading.add(read)
      if (reading.size >= AT_ONCE) await Promise.race(reading)
    }
  }
  await Promise.all(reading)
  for (const record of batch) yield { ...record, digests: digests.get(record.base) }
}

async function* namesIn(folder: string): AsyncGenerator<string> {
  if (!existsSync(folder)) return
  for await (const entry of await opendir(folder, { encoding: 'latin1' })) if (entry.isFile()) yield entry.name
}

async function digestsOf(file: Buffer): Promise<readonly Buffer[] | undefined> {
  const [plain, lines] = [createHash('sha256'), new CrlfHash()]
  try {
    for await (const chunk of expanded(createReadStream(file))) {
      plain.update(chunk)
      lines.update(chunk)
    }
  } catch {
    return undefined
  }
  return [plain.digest(), ...lines.digests()]
}

const GZIP = Buffer.of(0x1f, 0x8b)
const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd)

/** Dovecot may keep messages compressed, whatever their file is called. No header begins so. */
async function* expanded(octets: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = octets[Symbol.asyncIterator]()
  const first = await chunks.next()
  if (first.done) return
  const all = async function* () {
    yield first.value
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
  }
  const begins = (magic: Buffer): boolean => first.value.subarray(0, magic.length).equals(magic)
  const into = begins(GZIP) ? createGunzip() : begins(ZSTD) ? createZstdDecompress() : undefined
  if (!into) return yield* all()
  const from = Readable.from(all())
  from.on('error', (err) => into.destroy(err))
  yield* from.pipe(into) as AsyncIterable<Buffer>
}

/** As if every bare LF were CRLF; and, where there are NULs, with what Dovecot's IMAP sends for them. */
class CrlfHash {
  readonly #hash: Hash = createHash('sha256')
  #withoutNuls: Hash | undefined
  #last = 0

  update(octets: Buffer): void {
    const out = Buffer.allocUnsafe(octets.length * 2)
    let size = 0
    for (let at = 0; at < octets.length; ) {
      const lf = octets.indexOf(LF, at)
      const end = lf < 0 ? octets.length : lf
      size += octets.copy(out, size, at, end)
      if (lf < 0) break
      if ((end > 0 ? octets[end - 1] : this.#last) !== CR) out[size++] = CR
      out[size++] = LF
      at = lf + 1
    }
    if (octets.length > 0) this.#last = octets[octets.length - 1]!
    const piece = out.subarray(0, size)
    if (piece.includes(0)) this.#withoutNuls ??= this.#hash.copy()
    this.#hash.update(piece)
    this.#withoutNuls?.update(piece.map((octet) => octet || FOR_NUL))
  }

  digests(): Buffer[] {
    return [this.#hash, this.#withoutNuls].flatMap((hash) => hash?.digest() ?? [])
  }
}
