/**
 * `npm test`: every *.test.ts of src/ and test/, each file in a process of its own, on one embedded Postgres that all share. Arguments narrow it: `npm test -- store imap`
 * runs the files whose path has one of the words. A test whose client is not installed is skipped, with the reason, and counted in the last line; with POSTERN_NO_SKIP=1
 * (CI) a skip fails.
 */
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { TEST_POSTGRES, testCluster } from './support/postgres.ts'

const words = process.argv.slice(2)
const files = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'])
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  // The longest begin first, so that none of them is alone at the end.
  .sort((a, b) => Number(b.includes('e2e/first-mail')) - Number(a.includes('e2e/first-mail')) || a.localeCompare(b))
// Many tests wait for a clock: one file more than there are cores keeps these busy.
const concurrency = availableParallelism() + 1
const cluster = await testCluster()
process.env[TEST_POSTGRES] = JSON.stringify(cluster.connect)
// Hundreds of processes load the same sources: what Node made of them is kept for this run.
const compiled = mkdtempSync(join(tmpdir(), 'postern-compiled-'))
process.env['NODE_COMPILE_CACHE'] = compiled

interface Outcome {
  readonly name: string
  readonly file?: string | undefined
  readonly skip?: string | boolean | undefined
  readonly details: { readonly type?: string | undefined }
}
let passed = 0
let failed = 0
const skipped: string[] = []
const failures: string[] = []
const where = ({ name, file }: Outcome) => `${file?.replace(`${process.cwd()}/`, '') ?? ''}: ${name}`

/** Suites are not counted: their tests are. */
const isTest = (outcome: Outcome) => outcome.details.type !== 'suite'

const started = performance.now()
const stream = run({ files, concurrency, timeout: 240_000 })
stream.on('test:pass', (outcome: Outcome) => {
  if (!isTest(outcome)) return
  if (outcome.skip) skipped.push(`${where(outcome)}: ${outcome.skip}`)
  else passed++
})
stream.on('test:fail', (outcome: Outcome) => {
  if (!isTest(outcome)) return
  failed++
  failures.push(where(outcome))
})
for await (const text of stream.compose(spec)) process.stdout.write(text as string)
await cluster.stop()
rmSync(compiled, { recursive: true, force: true })

if (failures.length > 0) console.log(`\nfailed:\n${failures.map((line) => `  ${line}`).join('\n')}`)
if (skipped.length > 0) console.log(`\nskipped:\n${skipped.map((line) => `  ${line}`).join('\n')}`)
const mayNotSkip = process.env['POSTERN_NO_SKIP'] === '1' && skipped.length > 0
if (mayNotSkip) console.log('\nNothing may be skipped here (POSTERN_NO_SKIP=1): install what is missing.')
console.log(`\n${files.length} files in ${Math.round((performance.now() - started) / 1000)} s`)
console.log(`${passed} passed, ${failed} failed, ${skipped.length} skipped`)
process.exitCode = failed > 0 || mayNotSkip || passed === 0 ? 1 : 0
