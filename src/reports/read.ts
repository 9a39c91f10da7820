/** A message with reports → what they say. For a thread of its own: what is read here was written by whoever liked to. */
import type { ToldReport } from '../store/reports.ts'
import { attachmentsOf } from './attachments.ts'
import { DmarcReader } from './dmarc.ts'
import { textOf } from './encoding.ts'
import { tlsReports } from './tls.ts'
import { isGzip, isZip, unpack } from './unpack.ts'
import { mebibytes, READ_LIMITS, Unreadable } from './unreadable.ts'

export interface ReadReports {
  readonly reports: readonly ToldReport[]
  /** Why something of it could not be read, each once. */
  readonly unread: readonly string[]
}

export async function readReports(message: Buffer): Promise<ReadReports> {
  const reports: ToldReport[] = []
  const unread = new Set<string>()
  const attempt = async (read: () => Promise<readonly ToldReport[]> | readonly ToldReport[]): Promise<void> => {
    try {
      reports.push(...(await read()))
    } catch (err) {
      if (!(err instanceof Unreadable)) throw err
      unread.add(err.message)
    }
  }
  const attachments = attachmentsOf(message)
  if (attachments.length === 0) unread.add('nothing is attached that could be a report')
  for (const attachment of attachments)
    await attempt(async () => {
      const unpacked = unpack(attachment)
      for (const { pieces } of unpacked) await attempt(() => readOne(pieces))
      return []
    })
  if (reports.length > READ_LIMITS.reports) unread.add(`of one message no more than ${READ_LIMITS.reports} reports are read`)
  return { reports: reports.slice(0, READ_LIMITS.reports), unread: [...unread] }
}

/** By what it begins with. */
async function readOne(pieces: AsyncIterable<Buffer>): Promise<ToldReport[]> {
  let reader: DmarcReader | undefined
  const json: string[] = []
  let length = 0
  for await (const text of textOf(guarded(pieces))) {
    const start = reader || json.length > 0 ? text : text.trimStart()
    if (!reader && json.length === 0 && start !== '') {
      if (start[0] === '<') reader = new DmarcReader()
      else if (start[0] !== '{') throw new Unreadable('it is neither XML nor JSON')
    }
    if (reader) reader.write(start)
    else if (start !== '') {
      json.push(start)
      length += start.length
    }
    if (length > READ_LIMITS.json) throw new Unreadable(`it is JSON of more than ${mebibytes(READ_LIMITS.json)}`)
  }
  if (reader) return [reader.end()]
  if (json.length === 0) throw new Unreadable('it is empty')
  return tlsReports(json.join(''))
}

async function* guarded(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let first = true
  for await (const piece of pieces) {
    if (first && (isGzip(piece) || isZip(piece))) throw new Unreadable('it is an archive within an archive, which is not opened')
    first = false
    yield piece
  }
}
