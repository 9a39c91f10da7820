/** Files in a zip archive, by its central directory: as much of the format as a report needs. What it says of sizes is used to find things and never to make room. */
import { READ_LIMITS, Unreadable } from './unreadable.ts'

export interface ZipEntry {
  readonly name: string
  readonly data: Buffer
  readonly deflated: boolean
}

const END = 0x06054b50
const ENTRY = 0x02014b50
const LOCAL = 0x04034b50
const END_SIZE = 22
const ENTRY_SIZE = 46
const LOCAL_SIZE = 30
const MAX_COMMENT = 0xffff
const DAMAGED = 'the zip file is damaged'

/** Throws Unreadable. Folders are left out. */
export function zipEntries(zip: Buffer): ZipEntry[] {
  const end = endOf(zip)
  const count = zip.readUInt16LE(end + 10)
  if (count > READ_LIMITS.entries) throw new Unreadable(`the zip file holds more than ${READ_LIMITS.entries} files`)
  const entries: ZipEntry[] = []
  for (let i = 0, at = zip.readUInt32LE(end + 16); i < count; i++) {
    if (at + ENTRY_SIZE > zip.length || zip.readUInt32LE(at) !== ENTRY) throw new Unreadable(DAMAGED)
    const [nameLength, extraLength, commentLength] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32)]
    const name = zip.toString('latin1', at + ENTRY_SIZE, at + ENTRY_SIZE + nameLength)
    if (!name.endsWith('/')) entries.push(entryAt(zip, at, name))
    at += ENTRY_SIZE + nameLength + extraLength + commentLength
  }
  return entries
}

/** The last end record that fits: what stands before a file may look like one. */
function endOf(zip: Buffer): number {
  for (let at = zip.length - END_SIZE; at >= Math.max(0, zip.length - END_SIZE - MAX_COMMENT); at--)
    if (zip.readUInt32LE(at) === END && at + END_SIZE + zip.readUInt16LE(at + 20) <= zip.length) return at
  throw new Unreadable(DAMAGED)
}

function entryAt(zip: Buffer, at: number, name: string): ZipEntry {
  const [flags, method, size, local] = [zip.readUInt16LE(at + 8), zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 42)]
  if ((flags & 1) !== 0) throw new Unreadable('the zip file has a password')
  if (method !== 0 && method !== 8) throw new Unreadable('the zip file is packed in a way that is not known here')
  if (local + LOCAL_SIZE > zip.length || zip.readUInt32LE(local) !== LOCAL) throw new Unreadable(DAMAGED)
  const from = local + LOCAL_SIZE + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
  if (from + size > zip.length) throw new Unreadable(DAMAGED)
  return { name, data: zip.subarray(from, from + size), deflated: method === 8 }
}
