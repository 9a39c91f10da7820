/** Tests in network namespaces: the outer test makes a lab and runs a file within it; that file finds the lab by `currentLab`. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { createLab, type LabPlan } from '../support/netns.ts'
import { run } from '../support/programs.ts'

const VARIABLE = 'POSTERN_TEST_LAB'
const FORM = 'POSTERN_TEST_LAB_FORM'

/** Runs a test file in a lab with these hosts; fails with what it said. `within` in milliseconds. */
export async function runInLab(t: TestContext, file: URL, o: { hosts: readonly string[]; form: 'short' | 'full'; within: number }): Promise<void> {
  const lab = createLab(o.hosts)
  try {
    const { lab: name, hosts } = lab
    const env = { ...process.env, [VARIABLE]: JSON.stringify({ lab: name, hosts } satisfies LabPlan), [FORM]: o.form }
    // It is no child of this runner: it has a runner of its own, whose words are read below.
    delete (env as NodeJS.ProcessEnv)['NODE_TEST_CONTEXT']
    const [program, ...args] = [...lab.within, process.execPath, '--test-reporter=spec', file.pathname]
    const { code, out, err } = await run(program!, args, { env, within: o.within })
    const said = Buffer.from(out, 'latin1').toString('utf8')
    for (const line of said.split('\n')) if (isFigure(line)) t.diagnostic(line.trim().replace(/^ℹ /, ''))
    assert.equal(code, 0, `${said}\n${err}`)
    assert.match(said, /^ℹ skipped 0$/m)
  } finally {
    lab.close()
  }
}

/** What a test of the inner file said, not what its runner counted. */
const isFigure = (line: string): boolean =>
  (/^\s*ℹ /.test(line) && !/ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(line)) || /^ {2}(I\d| {4})/.test(line)

/** The lab that this process runs in. */
export function currentLab(): LabPlan & { readonly form: 'short' | 'full' } {
  const plan = process.env[VARIABLE]
  if (plan === undefined) throw new Error('this file is run by network.test.ts, in a lab')
  return { ...(JSON.parse(plan) as LabPlan), form: process.env[FORM] === 'full' ? 'full' : 'short' }
}
