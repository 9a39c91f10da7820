/**
 * Many runs and their table; the short and the full form differ in number only. That they find what is wrong was tried by breaking the code by hand and running the seeds from
 * 5000 on until the first violation: QUIT answers before its commit: 1 run; DELE acts at once: 1; the maildrop's lock is not taken: 1, and 2 with the fence gone too; a dropped
 * connection counts as a QUIT: 1; the fence alone is gone: 7; the messages that were fetched and those that were marked in two transactions: 21.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Tally } from '../../support/tally.ts'
import { RULES } from './rules.ts'
import { AT_HOME, noCounts, runHome } from './run.ts'

/** Runs of the seeds `first` … ; fails the test on any violation. `stops`: at the first. */
export async function runsOf(t: TestContext, { first, runs, stops = false }: { first: number; runs: number; stops?: boolean }): Promise<void> {
  const tally = new Tally(RULES)
  const counts = noCounts()
  const began = performance.now()
  let violations = 0
  const enough = () => stops && counts.faulty.length > 0
  for (let seed = first; seed < first + runs && !enough(); ) {
    const end = Math.min(first + runs, (Math.floor(seed / AT_HOME) + 1) * AT_HOME)
    const seeds = Array.from({ length: end - seed }, (_, i) => seed + i)
    const invariants = await runHome(seeds, { tally, counts, enough })
    if (invariants.violations > 0) t.diagnostic(`seeds ${seed} to ${end - 1}:\n${invariants.table()}`)
    violations += invariants.violations
    seed = end
  }
  const happened = [...counts.happened].map(([what, n]) => `${what} ${n}`).join(', ')
  const { done, refused, doubt } = counts.deeds
  const { doubts } = counts
  const each = (performance.now() - began) / counts.runs
  t.diagnostic(
    `${counts.runs} runs from seed ${first}, ${each.toFixed(0)} ms each; ${happened}; commands: ${done} done, ${refused} refused, ${doubt} in doubt; of those without an answer ${doubts.done} were done, ${doubts.undone} not\n${tally.table()}`,
  )
  assert.equal(tally.violations + violations, 0, `seeds ${counts.faulty}`)
}
