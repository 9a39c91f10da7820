/** `postern restore FILE`: makes a data folder and an empty database what the backup says. The next start goes on from there. */
import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { loadConfig } from '../../config/load.ts'
import { type Env, findPlaces, type Places } from '../../config/places.ts'
import { readSecrets } from '../../config/secrets.ts'
import { faultOf } from '../../file-faults.ts'
import { silentLog } from '../../log.ts'
import { openFolder } from '../../serve/lock.ts'
import { Refused } from '../../serve/refused.ts'
import { words } from '../../serve/words.ts'
import { type Part, restoreDatabase } from '../../store/pg/dump.ts'
import { startEmbedded } from '../../store/pg/embedded.ts'
import type { Connect } from '../../store/pg/pool.ts'
import { finishRestore, prepareRestore } from '../../store/pg/restore.ts'
import { type Command, Usage } from '../args.ts'
import { DONE } from '../failure.ts'
import { ArchiveRefused, type Entry, readArchive } from './archive.ts'
import { placeOf, putFile, removeFile } from './files.ts'
import { MARK, type Manifest, ROWS, readManifest } from './manifest.ts'

export const restore: Command = {
  name: 'restore',
  usage: ['restore FILE [--moved]'],
  summary: 'put a backup into an empty data folder and an empty database; --moved: the server it is of was stopped before and never runs again',
  takes: ['moved'],
  async run({ words: given, flags, moved }, { env, cwd, out }) {
    const [, name, ...more] = given
    if (name === undefined || more.length > 0) throw new Usage('restore takes the name of a backup')
    const file = resolve(cwd, name)
    refuseUnreadable(file)
    const places = findPlaces(flags, env, cwd)
    const lock = await openFolder(places.dataDir)
    try {
      const { manifest, kept, counts } = await read(file, { places, env, moved })
      for (const path of kept) out(`${path} was there already, and is as it was.`)
      out(`Restored what was there at ${manifest.at}: ${counts.get('account') ?? 0} accounts, ${counts.get('content') ?? 0} messages.`)
      out(
        moved
          ? 'Start the server: mail programs go on as if nothing had happened.'
          : 'Mail that came later is not here; mail programs fetch everything anew when they connect. Start the server.',
      )
      return DONE
    } finally {
      lock.release()
    }
  },
}

/** Before anything is made. Throws Refused. */
function refuseUnreadable(file: string): void {
  try {
    const fd = openSync(file, 'r')
    const isFolder = fstatSync(fd).isDirectory()
    closeSync(fd)
    if (!isFolder) return
  } catch (cause) {
    throw new Refused(`the backup ${file} cannot be read: ${faultOf(cause)}`, { cause })
  }
  throw new Refused(`the backup ${file} cannot be read: it is a folder`)
}

interface Restored {
  readonly manifest: Manifest
  /** Files that were there and were left alone. */
  readonly kept: readonly string[]
  readonly counts: ReadonlyMap<string, number>
}

interface Where {
  readonly places: Places
  readonly env: Env
  readonly moved: boolean
}

async function read(file: string, { places, env, moved }: Where): Promise<Restored> {
  const entries = readArchive(createReadStream(file))
  const first = await entries.next()
  if (first.done) throw new ArchiveRefused('this is no backup of Postern: it is empty')
  const manifest = readManifest(first.value)
  const kept: string[] = []
  const made: string[] = []
  let next = await entries.next()
  try {
    for (; !next.done && !next.value.path.startsWith(ROWS); next = await entries.next()) {
      const place = placeOf(next.value.path, places.configFile, places.dataDir)
      if (place === undefined) throw new ArchiveRefused(`the backup has an entry ${next.value.path} that this version does not know`)
      ;(putFile(place, next.value) ? made : kept).push(place)
    }
    const rest = chained(next, entries)
    const counts = await withEmptyDatabase(places, env, async (connect) => {
      await prepareRestore(connect, manifest.migrations)
      const filled = await restoreDatabase(connect, partsOf(rest, manifest))
      await finishRestore(connect, { markFile: join(places.dataDir, MARK), moved })
      return filled
    })
    return { manifest, kept, counts }
  } catch (err) {
    // A second try finds what the first one found.
    for (const place of made) removeFile(place)
    throw err
  }
}

async function* chained(first: IteratorResult<Entry, void>, rest: AsyncGenerator<Entry>): AsyncGenerator<Entry> {
  if (first.done) return
  yield first.value
  yield* rest
}

async function* partsOf(entries: AsyncIterable<Entry>, { tables }: Manifest): AsyncGenerator<Part> {
  const known = new Map(tables.map((table) => [table.name, table]))
  for await (const { path, octets } of entries) {
    const [, name = ''] = path.split('/')
    const table = known.get(name)
    if (!path.startsWith(ROWS) || !table) throw new ArchiveRefused(`the backup has an entry ${path} that its list does not name`)
    yield { table, octets }
  }
}

async function withEmptyDatabase<T>(places: Places, env: Env, use: (connect: Connect) => Promise<T>): Promise<T> {
  const { databaseUrl } = readSecrets(loadConfig(places.configFile, words), env)
  if (databaseUrl !== undefined) return use({ url: databaseUrl })
  const embedded = await startEmbedded({ dir: places.dataDir, log: silentLog() })
  try {
    return await use(embedded.connect)
  } finally {
    await embedded.stop()
  }
}
