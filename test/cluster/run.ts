/** Two hosts in network namespaces, two workers each, one Postgres, one Redis: the short and the full form differ in size only. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { createLab } from '../support/netns.ts'
import { run } from '../support/programs.ts'
import type { Report, Task } from './inside.ts'
import type { Quantiles } from './notices.ts'

const INSIDE = new URL('inside.ts', import.meta.url).pathname

export async function runCluster(t: TestContext, size: Omit<Task, 'plan'>): Promise<Report> {
  const lab = createLab(['a', 'b'])
  try {
    const task: Task = { ...size, plan: { lab: lab.lab, hosts: lab.hosts } }
    const [program, ...args] = lab.within
    const { code, out, err } = await run(program!, [...args, process.execPath, INSIDE, JSON.stringify(task)], {
      within: (size.seconds + 200) * 1_000,
    })
    assert.equal(code, 0, `seed ${size.seed}\n${out.slice(-2_000)}\n${err.slice(-6_000)}`)
    const report = JSON.parse(out.trim().split('\n').at(-1)!) as Report
    const done = Object.entries(report.done).map(([what, times]) => `${times} ${what}`)
    t.diagnostic(
      `seed ${size.seed}: ${size.sessions} sessions over ${size.accounts} accounts, ${size.seconds} s: ${done.join(', ')}; ${report.messages} messages left`,
    )
    t.diagnostic(`${report.wrong.length} sessions wrong; all told everything ${report.settled.toFixed(2)} s after the last change`)
    t.diagnostic(
      `notices with ${report.idle} sessions in IDLE, from the OK: same host ${words(report.notices.sameHost)}; other host ${words(report.notices.otherHost)}`,
    )
    assert.deepEqual(report.wrong, [])
    return report
  } finally {
    lab.close()
  }
}

const words = ({ count, p50, p99, worst }: Quantiles): string =>
  `p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} worst ${worst.toFixed(1)} ms of ${count}`
