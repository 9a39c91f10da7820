/**
 * What a host remembers of its database, outside of it: a small file beside the config (`postern.mark`). A database whose volume was put back from a copy looks the
 * same from within; that it is older than what was seen of it, only somebody outside can know. Several processes of a host write the same file.
 */
import { createHash } from 'node:crypto'
import { open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Known {
  /** Of the incarnation that was served last. */
  readonly token: string
  readonly incarnation: number
  /** Identity of the database: see look.ts. */
  readonly mark: string
  readonly beat: number
  /** Where the write-ahead log ended at that beat, in octets; -1 where this database does not tell. */
  readonly position: number
  /** When that was seen, milliseconds since 1970. */
  readonly at: number
  /** An operator wrote one word into the file instead: a backup was put back, or the database was moved with nothing lost. */
  readonly word?: 'restored' | 'moved'
}

const FORMAT = 1
const MAX_BYTES = 4096
/** A lock older than this belongs to a process that died with it. Milliseconds. */
const STALE = 5_000
const LOCK_TRIES = 40
const LOCK_PAUSE = 25

/** undefined: no file. Throws where there is one that says nothing: somebody must look at it. */
export async function readMark(path: string): Promise<Known | undefined> {
  let text: string
  try {
    text = (await readFile(path, 'utf8')).slice(0, MAX_BYTES).trim()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
  if (text === 'restored' || text === 'moved') {
    const { mtimeMs } = await stat(path)
    // All processes of the host read the same word; the database knows by this token whether one of them has acted on it.
    return { ...NOTHING, word: text, token: uuidOf(`${text} ${mtimeMs}`) }
  }
  const known = parsed(text)
  if (!known)
    throw new Error(
      `${path} cannot be read. It says what this host knew of its database. If a backup of the database was put back, write the word "restored" into it; if you are sure that nothing was lost, delete it.`,
    )
  return known
}

const NOTHING = { incarnation: 0, mark: '', beat: 0, position: -1, at: 0 }

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function parsed(text: string): Known | undefined {
  try {
    const { format, token, incarnation, mark, beat, position, at } = JSON.parse(text) as Record<string, unknown>
    const numbers = [incarnation, beat, position, at]
    if (format !== FORMAT || typeof token !== 'string' || !UUID.test(token) || typeof mark !== 'string' || !numbers.every(Number.isSafeInteger))
      return undefined
    return { token, mark, incarnation: incarnation as number, beat: beat as number, position: position as number, at: at as number }
  } catch {
    return undefined
  }
}

/** Replaces the file, unless it says more already: of the same incarnation it never falls, and of an older one nothing is written. */
export async function writeMark(path: string, known: Known): Promise<void> {
  const unlock = await lock(`${path}.lock`)
  try {
    const there = await readMark(path).catch(() => undefined)
    if (there && !there.word && isNewer(there, known)) return
    const next = `${path}.next`
    const file = await open(next, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ format: FORMAT, ...known })}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(next, path)
  } finally {
    await unlock()
  }
}

export function isNewer(a: Known, b: Known): boolean {
  if (a.incarnation !== b.incarnation) return a.incarnation > b.incarnation
  return a.beat > b.beat || (a.beat === b.beat && a.position > b.position)
}

async function lock(path: string): Promise<() => Promise<void>> {
  for (let tries = 1; ; tries++) {
    try {
      await (await open(path, 'wx', 0o600)).close()
      return () => unlink(path)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'EEXIST' || tries >= LOCK_TRIES) throw err
      const held = await stat(path).catch(() => undefined)
      if (held && Date.now() - held.mtimeMs > STALE) await unlink(path).catch(() => {})
      else await sleep(LOCK_PAUSE)
    }
  }
}
