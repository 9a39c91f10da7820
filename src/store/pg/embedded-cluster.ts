/** Making a cluster and writing its settings. What is made is complete or not there: it is built beside its place and renamed. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EmbeddedRefused, giveTo, type Home } from './embedded-home.ts'

/** Role and database of the server. The role owns the database and may create others, but is no superuser; the superuser cannot log in at all. */
export const DATABASE = 'postern'

export interface ClusterOptions {
  /** false: nothing is synced to the disk. Only for clusters that are thrown away. */
  readonly durable: boolean
}

const QUICKER = ['fsync = off', 'full_page_writes = off', "wal_level = 'minimal'", 'max_wal_senders = 0', 'autovacuum = off']

/** postgresql.conf as it is written at every start. */
export function settings({ durable }: ClusterOptions): string {
  return [
    '# Written by Postern at every start. Settings of your own go into custom.conf beside this file: it is read last.',
    "listen_addresses = '127.0.0.1'",
    'max_connections = 60',
    'shared_buffers = 128MB',
    'max_wal_size = 1GB',
    'min_wal_size = 80MB',
    'checkpoint_timeout = 15min',
    'wal_compression = pglz',
    'jit = off',
    'io_workers = 2',
    // The server refuses to run on anything else; they stand here so that custom.conf shows what it would break.
    'fsync = on',
    'synchronous_commit = on',
    'full_page_writes = on',
    'client_connection_check_interval = 10s',
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "log_line_prefix = ''",
    'log_min_messages = warning',
    // A statement may carry mail: the log never shows one.
    'log_min_error_statement = panic',
    'log_parameter_max_length = 0',
    'log_parameter_max_length_on_error = 0',
    'log_checkpoints = off',
    ...(durable ? [] : QUICKER),
    "include_if_exists = 'custom.conf'",
    '',
  ].join('\n')
}

const ACCESS = `# Written by Postern. Only its own role may connect, with its password, from this machine.
local all ${DATABASE} scram-sha-256
host  all ${DATABASE} 127.0.0.1/32 scram-sha-256
`

/** Makes the cluster if there is none; resolves to the role's password. Throws EmbeddedRefused, or Error with what initdb said. */
export async function prepareCluster(home: Home, options: ClusterOptions): Promise<string> {
  const version = join(home.data, 'PG_VERSION')
  if (existsSync(version)) await checkVersion(home, readFileSync(version, 'utf8').trim())
  else await createCluster(home, options)
  for (const [name, text] of [
    ['postgresql.conf', settings(options)],
    ['pg_hba.conf', ACCESS],
  ] as const)
    replaceFile(join(home.data, name), text, home)
  return readPassword(home)
}

function readPassword(home: Home): string {
  try {
    return readFileSync(join(home.base, 'password'), 'utf8').trim()
  } catch (cause) {
    throw new EmbeddedRefused(
      `The password of the embedded database cannot be read (${join(home.base, 'password')}): put that file back from a backup.`,
      { cause },
    )
  }
}

async function checkVersion(home: Home, has: string): Promise<void> {
  const said = await run(home, 'postgres', ['--version'])
  const major = /\d+/.exec(said)?.[0]
  if (major !== has)
    throw new EmbeddedRefused(
      `The database in ${home.data} was made by Postgres ${has}, the installed one is ${major}. Dump it with the old version and load it with the new one: docs/operations.md.`,
    )
}

async function createCluster(home: Home, { durable }: ClusterOptions): Promise<void> {
  if (existsSync(home.data))
    throw new EmbeddedRefused(`${home.data} exists but is no Postgres cluster: move it away, or put its contents back from a backup.`)
  const making = `${home.data}.making`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { mode: 0o700 })
  giveTo(making, home.runner)
  // The builtin locale needs nothing of the machine's: the same order and the same case rules everywhere, and for ever.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  // "reject" until pg_hba.conf is ours: nobody logs in meanwhile, and the superuser needs no password, as it never may.
  const auth = ['--auth-local=reject', '--auth-host=reject']
  await run(home, 'initdb', ['-D', making, '--username=postgres', '--data-checksums', ...locale, ...auth, ...(durable ? [] : ['--no-sync'])])
  const password = secret()
  await run(
    home,
    'postgres',
    ['--single', '-D', making, ...(durable ? [] : ['-c', 'fsync=off']), 'postgres'],
    [
      // Single-user mode takes one statement a line. The password is hexadecimal digits, so it needs no quoting.
      `CREATE ROLE ${DATABASE} LOGIN CREATEDB PASSWORD '${password}'`,
      `GRANT pg_monitor, pg_checkpoint TO ${DATABASE}`,
      `CREATE DATABASE ${DATABASE} OWNER ${DATABASE}`,
    ],
  )
  writeFileSync(join(home.base, 'password'), `${password}\n`, { mode: 0o600 })
  renameSync(making, home.data)
}

const secret = (): string => randomBytes(24).toString('hex')

function writeOwned(path: string, text: string, home: Home): void {
  writeFileSync(path, text, { mode: 0o600 })
  giveTo(path, home.runner)
}

function replaceFile(path: string, text: string, home: Home): void {
  const next = `${path}.next`
  rmSync(next, { force: true })
  writeOwned(next, text, home)
  renameSync(next, path)
}

/** What a Postgres program inherits: nothing of ours but where programs are, and messages in English. */
export const CLEAN_ENV = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
const MAX_OUTPUT = 64 * 1024

/** Runs one of the Postgres programs as the runner; resolves to what it printed. */
function run(home: Home, program: 'initdb' | 'postgres', args: readonly string[], input: readonly string[] = []): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(home.bin, program), args, { ...home.runner, cwd: '/', env: CLEAN_ENV, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
    let said = ''
    const hear = (chunk: Buffer) => {
      said = (said + chunk.toString('latin1')).slice(-MAX_OUTPUT)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.stdin.on('error', () => {}) // it ended before it had read all: its exit code tells
    child.stdin.end(input.map((line) => `${line};\n`).join(''))
    child.on('error', (cause) => reject(new Error(`${program} of the embedded Postgres cannot be run: ${cause.message}`, { cause })))
    // Single-user mode goes on after an error and ends well, so what it says decides too.
    child.on('close', (code) => {
      const failed = code !== 0 || /^.*(ERROR|FATAL|PANIC): /m.test(said)
      if (failed && said.includes('No space left on device')) reject(new EmbeddedRefused(`The disk of the embedded Postgres is full: ${home.base}.`))
      else if (failed)
        reject(new Error(`${program} of the embedded Postgres failed (${code ?? 'killed'}): ${said.trim().split('\n').slice(-5).join(' | ')}`))
      else resolve(said)
    })
  })
}
