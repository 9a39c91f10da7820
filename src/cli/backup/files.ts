/** The files beside the database: config, what it names, and the keys that the server made for itself. */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, normalize, relative, sep } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { filesNamed } from '../../config/secrets.ts'
import { faultOf } from '../../file-faults.ts'
import { makeFolder } from '../../serve/lock.ts'
import { Refused } from '../../serve/refused.ts'
import { ArchiveRefused, type Entry } from './archive.ts'
import { BESIDE, CONFIG, TLS } from './manifest.ts'

export interface Collected {
  readonly entries: readonly Entry[]
  /** Files that the config names and that live elsewhere: kept by whoever made them. */
  readonly elsewhere: readonly string[]
}

export function collectFiles(config: Config, configFile: string, dataDir: string): Collected {
  const folder = dirname(configFile)
  const entries = [entry(CONFIG, configFile)]
  const elsewhere: string[] = []
  for (const named of filesNamed(config)) {
    const inside = relative(folder, join(isAbsolute(named) ? '' : folder, named))
    if (isAbsolute(named) || inside.startsWith('..') || !existsSync(join(folder, inside))) elsewhere.push(named)
    else entries.push(entry(`${BESIDE}${inside}`, join(folder, inside)))
  }
  const own = join(dataDir, 'tls')
  // A folder in there is a copy of what the database has: see serve/acme/.
  const files = existsSync(own) ? readdirSync(own, { withFileTypes: true }).filter((one) => one.isFile()) : []
  for (const { name } of files) entries.push(entry(`${TLS}${name}`, join(own, name)))
  return { entries, elsewhere }
}

/** Throws Refused. */
function entry(path: string, file: string): Entry {
  try {
    return { path, mode: statSync(file).mode & 0o777, octets: readFileSync(file) }
  } catch (cause) {
    throw new Refused(`${file} belongs into the backup and cannot be read: ${faultOf(cause)}`, { cause })
  }
}

/** Where an entry that is no row goes. Throws ArchiveRefused for a name that would leave its folder. */
export function placeOf(path: string, configFile: string, dataDir: string): string | undefined {
  if (path === CONFIG) return configFile
  for (const [prefix, folder] of [
    [BESIDE, dirname(configFile)],
    [TLS, join(dataDir, 'tls')],
  ] as const) {
    if (!path.startsWith(prefix)) continue
    const inside = normalize(path.slice(prefix.length))
    if (inside === '.' || isAbsolute(inside) || inside.split(sep).includes('..'))
      throw new ArchiveRefused(`the backup has a file of the name ${path}`)
    return join(folder, inside)
  }
  return undefined
}

/** false: there is such a file already, and it is left alone. */
export function putFile(file: string, { octets, mode }: Entry): boolean {
  if (existsSync(file)) return false
  try {
    makeFolder(dirname(file))
    writeFileSync(file, octets, { mode, flag: 'wx' })
  } catch (cause) {
    throw new Refused(`${file} cannot be written: ${faultOf(cause)}`, { cause })
  }
  return true
}

/** What `putFile` made: the file, and its folder if nothing else is in it. */
export function removeFile(file: string): void {
  rmSync(file, { force: true })
  if (existsSync(dirname(file)) && readdirSync(dirname(file)).length === 0) rmdirSync(dirname(file))
}
