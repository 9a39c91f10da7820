/** Whether the scanners of the config answer, and take messages as large as it says. */
import type { ScanRule } from '../../smtp/scan/inspect.ts'
import { probe } from '../../smtp/scan/probe.ts'
import { about, type Finding } from './check.ts'

const WITHIN_MS = 20_000

/** Each is shown one small message and, if it answers, the largest that it will be given. */
export const scannerFindings = (rules: readonly ScanRule[], hostname: string): Promise<Finding[]> =>
  Promise.all(rules.map((rule) => findingOf(rule, hostname)))

async function findingOf({ scanner, onFailure }: ScanRule, hostname: string): Promise<Finding> {
  const { ok, warning, wrong } = about(`scanner ${scanner.name}`)
  const then = onFailure === 'accept' ? 'mail is taken without it' : 'no mail is taken'
  const small = await probe(scanner, { hostname, ms: WITHIN_MS })
  if (small.kind !== 'verdict') return wrong(`it gives no verdict, and ${then}: ${small.kind === 'failed' ? small.why : small.kind}`)
  const size = `${Math.round(scanner.maxSize / 2 ** 20)} MiB`
  const large = await probe(scanner, { hostname, size: scanner.maxSize, ms: WITHIN_MS })
  if (large.kind !== 'verdict')
    return warning(`it answers, but not to a message of ${size} ("max_size"), and then ${then}: ${large.kind === 'failed' ? large.why : large.kind}`)
  return ok(`it answers, also to a message of ${size}: ${small.verdict.shown.slice(0, 2).join(', ')}`)
}
