/** The house rules that a machine can hold: who may import whom, no cycles, no halls, no mail access made outside the store. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const MAX_LINES = 400
/** For each part of src/, what else of ours it may import: paths or folders. A part may always import itself. */
const NOTHING: string[] = []
const PROTOCOL = ['store/', 'auth/', 'mail/', 'net/', 'log.ts', 'counts.ts']
const MAY_IMPORT: Record<string, string[]> = {
  'log.ts': NOTHING,
  'counts.ts': NOTHING,
  'file-faults.ts': NOTHING,
  rfc: NOTHING,
  'process.ts': NOTHING,
  mail: NOTHING,
  config: ['mail/', 'file-faults.ts'],
  net: ['log.ts', 'file-faults.ts'],
  store: ['mail/'],
  'store/pg': ['store/', 'mail/', 'log.ts', 'process.ts', 'counts.ts'],
  // What it falls back on while Redis is away is the in-process driver.
  'store/redis': ['store/', 'store/memory/', 'mail/', 'log.ts'],
  'store/memory': ['store/', 'mail/', 'log.ts'],
  auth: ['store/', 'log.ts', 'counts.ts'],
  reports: ['store/', 'mail/', 'log.ts'],
  imap: PROTOCOL,
  pop3: PROTOCOL,
  smtp: PROTOCOL,
  http: PROTOCOL,
}
const DRIVERS = ['store/pg', 'store/redis', 'store/memory']

const files = globSync('src/**/*.ts').map((file) => file.replace(/^src\//, ''))
const tested = files.filter((file) => !file.endsWith('.test.ts'))
const source = new Map(files.map((file) => [file, readFileSync(`src/${file}`, 'utf8')]))

const partOf = (file: string): string =>
  DRIVERS.find((driver) => file.startsWith(`${driver}/`)) ?? (file.includes('/') ? file.slice(0, file.indexOf('/')) : file)
const importsOf = (file: string): string[] =>
  [...source.get(file)!.matchAll(/(?:from|import) '(\.[^']+)'/g)].map(([, path]) => join(dirname(file), path!)).filter((path) => path.endsWith('.ts'))

test('every import is allowed', () => {
  const offending = tested.flatMap((file) => {
    const part = partOf(file)
    const allowed = MAY_IMPORT[part]
    if (!allowed) return []
    return importsOf(file)
      .filter((path) => partOf(path) !== part)
      .filter((path) => !allowed.some((may) => (may.endsWith('/') ? partOf(path) === may.slice(0, -1) : path === may)))
      .map((path) => `${file} → ${path}`)
  })
  assert.deepEqual(offending, [])
})

test('every part of src/ is known to the rules or puts the others together', () => {
  const unknown = [...new Set(tested.map(partOf))].filter(
    (part) => !MAY_IMPORT[part] && !['main.ts', 'server.ts', 'serve', 'cluster.ts', 'cli'].includes(part),
  )
  assert.deepEqual(unknown, [])
})

test('no cycles', () => {
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const visit = (file: string, path: string[]): void => {
    if (state.get(file) === 'done' || !source.has(file)) return
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      return
    }
    state.set(file, 'open')
    // Types are gone when the program runs: only what remains can be a cycle.
    const values = [...source.get(file)!.matchAll(/^(?:import|export) (?!type )[^;]*? from '(\.[^']+)'/gm)].map(([, to]) => join(dirname(file), to!))
    for (const to of values) visit(to, [...path, file])
    state.set(file, 'done')
  }
  for (const file of tested) visit(file, [])
  assert.deepEqual(cycles, [])
})

test(`no file is longer than ${MAX_LINES} lines`, () => {
  const halls = globSync(['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts']).filter(
    (file) => readFileSync(file, 'utf8').split('\n').length > MAX_LINES + 1,
  )
  assert.deepEqual(halls, [])
})

test('only the store makes an access', () => {
  const makers = tested.filter(
    (file) => /\b(grant(Account|Mailbox|Shared)|regrant)\b/.test(source.get(file)!) && partOf(file) !== 'store/pg' && file !== 'store/access.ts',
  )
  assert.deepEqual(makers, [])
})

test('every key of the schema begins with the account, but for the small reference tables', () => {
  // What is claimed together lies together: by the domain that it goes to.
  const REFERENCE = [
    'server',
    'incarnation',
    'domain',
    'account',
    'address',
    'queue',
    'queue_domain',
    'dkim_key',
    'mta_sts',
    'greylist',
    'greylist_client',
    'tls_session',
    'tls_report',
    'acme_account',
    'acme_certificate',
    'acme_refused',
    'acme_challenge',
  ]
  const sql = globSync('src/store/pg/migrations/*.sql')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const tables = [...sql.matchAll(/create table (\w+) \((.*?)\n\)/gs)]
  assert.ok(tables.length > 10)
  for (const [, table, columns] of tables) {
    const key = columns!.match(/primary key \(([^)]*)\)/)?.[1]
    if (!REFERENCE.includes(table!)) assert.match(key ?? '', /^account_id\b/, `${table}'s key`)
  }
})

test('SQL takes values as parameters', () => {
  const spliced = tested
    .filter((file) => file.startsWith('store/pg/'))
    .flatMap((file) =>
      [...source.get(file)!.matchAll(/text: `[^`]*\$\{(?![A-Z_]+\b|fields|columns|join\b)[^}]*\}[^`]*`/g)].map(
        ([text]) => `${file}: ${text.slice(0, 80)}`,
      ),
    )
  assert.deepEqual(spliced, [])
})
