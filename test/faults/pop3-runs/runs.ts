/** Many runs and their table; the short and the full form differ in number only. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Tally } from '../../support/tally.ts'
import { RULES } from './rules.ts'
import { AT_HOME, noCounts, runHome } from './run.ts'

/** Runs of the seeds `first` … ; fails the test on any violation. */
export async function runsOf(t: TestContext, { first, runs }: { first: number; runs: number }): Promise<void> {
  const tally = new Tally(RULES)
  const counts = noCounts()
  const began = performance.now()
  let violations = 0
  for (let seed = first; seed < first + runs; ) {
    const end = Math.min(first + runs, (Math.floor(seed / AT_HOME) + 1) * AT_HOME)
    const invariants = await runHome(
      Array.from({ length: end - seed }, (_, i) => seed + i),
      { tally, counts },
    )
    if (invariants.violations > 0) t.diagnostic(`seeds ${seed} to ${end - 1}:\n${invariants.table()}`)
    violations += invariants.violations
    seed = end
  }
  const happened = [...counts.happened].map(([what, n]) => `${what} ${n}`).join(', ')
  const { done, refused, doubt } = counts.deeds
  const each = (performance.now() - began) / counts.runs
  t.diagnostic(
    `seeds ${first} to ${first + runs - 1}, ${each.toFixed(0)} ms each; ${happened}; commands: ${done} done, ${refused} refused, ${doubt} in doubt\n${tally.table()}`,
  )
  assert.equal(tally.violations + violations, 0, `seeds ${counts.faulty}`)
}
