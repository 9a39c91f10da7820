/**
 * `npm run test:full`: the long forms, files named *.full.ts, one after the other since each may want the whole machine. Arguments narrow it as in run.ts. docs/full-run.md has
 * what came of each file's last run; a run of some of them renews theirs, with `--write`. Here a skipped test is a failed one.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, hostname, release, tmpdir, totalmem, type } from 'node:os'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { TEST_POSTGRES, testCluster } from './support/postgres.ts'

/** Of one test. */
const TIMEOUT = 60 * 60_000
const REPORT = 'docs/full-run.md'

const given = process.argv.slice(2)
const words = given.filter((word) => word !== '--write')
const writes = words.length === 0 || words.length < given.length
const files = globSync('test/**/*.full.ts')
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort()

interface Event {
  readonly name: string
  readonly file?: string | undefined
  readonly skip?: string | boolean | undefined
  readonly message?: string
  readonly details?: { readonly type?: string | undefined }
}
interface Outcome {
  readonly file: string
  passed: number
  readonly failed: string[]
  readonly skipped: string[]
  readonly figures: string[]
  seconds: number
}

// Whoever stops us stops the file that runs: it clears away what it made.
const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
const cluster = await testCluster()
process.env[TEST_POSTGRES] = JSON.stringify(cluster.connect)
const outcomes: Outcome[] = []
const date = new Date().toISOString().slice(0, 16).replace('T', ' ')
try {
  for (const file of files) {
    if (stop.signal.aborted) break
    console.log(`\n== ${file}`)
    outcomes.push(await runFile(file))
  }
} finally {
  await cluster.stop()
}

const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0)
const [passed, failed, skipped] = [sum((o) => o.passed), sum((o) => o.failed.length), sum((o) => o.skipped.length)]
if (writes && !stop.signal.aborted) writeFileSync(REPORT, report())
for (const [what, of] of [['failed', (o: Outcome) => o.failed] as const, ['skipped', (o: Outcome) => o.skipped] as const]) {
  const lines = outcomes.flatMap((o) => of(o).map((line) => `  ${o.file}: ${line}`))
  if (lines.length > 0) console.log(`\n${what}:\n${lines.join('\n')}`)
}
console.log(`\n${files.length} files in ${Math.round(sum((o) => o.seconds))} s`)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed > 0 || skipped > 0 || passed === 0 || stop.signal.aborted ? 1 : 0

async function runFile(file: string): Promise<Outcome> {
  const outcome: Outcome = { file, passed: 0, failed: [], skipped: [], figures: [], seconds: 0 }
  const started = performance.now()
  const stream = run({ files: [file], concurrency: 1, timeout: TIMEOUT, signal: stop.signal })
  const isTest = ({ details }: Event): boolean => details?.type !== 'suite'
  stream.on('test:pass', (event: Event) => {
    if (!isTest(event)) return
    if (event.skip) outcome.skipped.push(`${event.name}: ${event.skip}`)
    else outcome.passed++
  })
  stream.on('test:fail', (event: Event) => {
    if (isTest(event)) outcome.failed.push(event.name)
  })
  // The runner's own summary has no file.
  stream.on('test:diagnostic', (event: Event) => {
    if (event.file !== undefined && event.message) outcome.figures.push(event.message)
  })
  for await (const text of stream.compose(spec)) process.stdout.write(text as string)
  outcome.seconds = (performance.now() - started) / 1000
  return outcome
}

/** The sections of files that did not run now stay as they were. */
function report(): string {
  const before = existsSync(REPORT)
    ? readFileSync(REPORT, 'utf8')
        .split(/^(?=## )/m)
        .slice(1)
    : []
  const sections = new Map(before.map((text) => [/^`(\S+)`/m.exec(text)?.[1] ?? '', text.trim()] as const))
  for (const outcome of outcomes) sections.set(outcome.file, section(outcome))
  const there = globSync('test/**/*.full.ts').sort()
  const head = [
    '# What came of the long tests',
    '',
    '`npm run test:full` runs them all; each has the day and the commit of its last run. Written by test/full.ts.',
  ]
  return `${[head.join('\n'), ...there.flatMap((file) => sections.get(file) ?? [])].join('\n\n')}\n`
}

function section({ file, passed, failed, skipped, figures, seconds }: Outcome): string {
  const machine = `${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.versions.node}, ${type()} ${release().split('.').slice(0, 2).join('.')}`
  return [
    `## ${title(file)}`,
    '',
    `\`${file}\`, ${date} UTC, commit ${commit()}, ${machine}:`,
    `${passed} passed, ${failed.length} failed, ${skipped.length} skipped, ${Math.round(seconds)} s.`,
    ...(failed.length + skipped.length > 0 ? [''] : []),
    ...failed.map((name) => `- FAILED: ${name}`),
    ...skipped.map((name) => `- SKIPPED: ${name}`),
    ...(figures.length > 0 ? ['', '```', ...figures.map(nameless), '```'] : []),
  ].join('\n')
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

/** What a file's first comment calls it, up to the first full stop or colon. */
function title(file: string): string {
  const comment = /^\/\*\*\s*(?:\*\s*)?([^.:*\n]+)/.exec(readFileSync(file, 'utf8'))
  return comment?.[1]?.trim() || file
}

/** Neither this machine's name nor its folders. */
function nameless(line: string): string {
  return line
    .replaceAll(process.cwd(), '.')
    .replaceAll(tmpdir(), 'TMP')
    .replaceAll(new RegExp(`\\b${hostname()}\\b`, 'g'), 'host')
}
