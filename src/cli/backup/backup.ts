/** `postern backup FILE`: one file with everything that is needed to have the server again, while it runs or not. */
import { accessSync, closeSync, constants, createWriteStream, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { finished } from 'node:stream/promises'
import { loadConfig } from '../../config/load.ts'
import { findPlaces } from '../../config/places.ts'
import { faultOf, fileFault } from '../../file-faults.ts'
import { Refused } from '../../serve/refused.ts'
import { words } from '../../serve/words.ts'
import { dumpDatabase } from '../../store/pg/dump.ts'
import { type Command, Usage } from '../args.ts'
import { DONE } from '../failure.ts'
import { versionNumber } from '../version.ts'
import { ArchiveWriter } from './archive.ts'
import { withDatabase } from './database.ts'
import { type Collected, collectFiles } from './files.ts'
import { FORMAT, MANIFEST, type Manifest, ROWS } from './manifest.ts'

export const backup: Command = {
  name: 'backup',
  usage: ['backup FILE'],
  summary: 'write all mail, flags, accounts, the config and the keys into one new file; the server may run meanwhile',
  takes: [],
  async run({ words: given, flags }, { env, cwd, out }) {
    const [, name, ...more] = given
    if (name === undefined || more.length > 0) throw new Usage('backup takes the name of a file to be made')
    const file = resolve(cwd, name)
    refuseUnwritable(file)
    const places = findPlaces(flags, env, cwd)
    const { config } = loadConfig(places.configFile, words)
    const files = collectFiles(config, places.configFile, places.dataDir)
    const { rows, octets } = await withDatabase({ places, env }, (connect) => dumpDatabase(connect, (dump) => write(file, files, dump)))
    out(
      `${file}: ${octets} octets of rows in ${rows} tables, taken at one moment. Whoever has this file can read all mail: keep it safe, and not on this machine alone.`,
    )
    for (const named of files.elsewhere) out(`Not in it, since it is kept elsewhere: ${named}`)
    return DONE
  },
}

/** Before a database is started for it. Throws Refused. */
function refuseUnwritable(file: string): void {
  const folder = dirname(file)
  if (existsSync(file)) throw new Refused(statSync(file).isDirectory() ? `${file} is a folder: name a file in it` : `there is already a file ${file}`)
  if (!existsSync(folder)) throw new Refused(`there is no folder ${folder}`)
  try {
    if (!statSync(folder).isDirectory()) throw new Refused(`${folder} is no folder`)
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw cause instanceof Refused ? cause : new Refused(`${file} cannot be written: ${faultOf(cause)}`, { cause })
  }
}

type Dump = Parameters<Parameters<typeof dumpDatabase>[1]>[0]

/** Under another name until it is whole and on disk. */
export async function write(file: string, { entries }: Collected, dump: Dump): Promise<{ rows: number; octets: number }> {
  const unfinished = `${file}.${process.pid}.part`
  const into = createWriteStream(unfinished, { flags: 'wx', mode: 0o600 })
  try {
    const archive = new ArchiveWriter(into)
    const { migrations, server, tables } = dump
    const manifest: Manifest = {
      ...{ format: FORMAT, postern: versionNumber(), at: new Date().toISOString(), server },
      ...{ migrations: [...migrations], tables: tables.map(({ name, columns }) => ({ name, columns: [...columns] })) },
    }
    await archive.add({ path: MANIFEST, mode: 0o600, octets: Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) })
    for (const entry of entries) await archive.add(entry)
    let octets = 0
    for (const table of tables) {
      let part = 0
      for await (const piece of dump.rows(table)) {
        octets += piece.length
        await archive.add({ path: `${ROWS}${table.name}/${`${part++}`.padStart(7, '0')}`, mode: 0o600, octets: piece })
      }
    }
    await archive.finish()
    await finished(into)
    sync(unfinished)
    renameSync(unfinished, file)
    sync(dirname(file))
    return { rows: tables.length, octets }
  } catch (err) {
    into.destroy()
    rmSync(unfinished, { force: true })
    throw fileFault(err) === undefined ? err : new Refused(`${file} cannot be written: ${faultOf(err)}`, { cause: err })
  }
}

function sync(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
