/** Whether the scanners of the config answer, and take messages as large as it says. */
import type { ScanRule } from '../../smtp/scan/inspect.ts'
import type { ScanEnvelope, Scanner } from '../../smtp/scan/scanner.ts'
import { type Outcome, WatchedScan } from '../../smtp/scan/watched.ts'
import { about, type Finding } from './check.ts'

const WITHIN_MS = 20_000
const LINE = Buffer.from(`${'x'.repeat(998)}\r\n`)
const BLOCK = Buffer.concat(new Array<Buffer>(64).fill(LINE))

/** Each is shown one small message and, if it answers, the largest that it will be given. */
export const scannerFindings = (rules: readonly ScanRule[], hostname: string): Promise<Finding[]> =>
  Promise.all(rules.map((rule) => findingOf(rule, hostname)))

async function findingOf({ scanner, onFailure }: ScanRule, hostname: string): Promise<Finding> {
  const { ok, warning, wrong } = about(`scanner ${scanner.name}`)
  const then = onFailure === 'accept' ? 'mail is taken without it' : 'no mail is taken'
  const small = await shown(scanner, hostname, 0)
  if (small.kind !== 'verdict') return wrong(`it gives no verdict, and ${then}: ${small.kind === 'failed' ? small.why : small.kind}`)
  const size = `${Math.round(scanner.maxSize / 2 ** 20)} MiB`
  const large = await shown(scanner, hostname, scanner.maxSize)
  if (large.kind !== 'verdict')
    return warning(`it answers, but not to a message of ${size} ("max_size"), and then ${then}: ${large.kind === 'failed' ? large.why : large.kind}`)
  return ok(`it answers, also to a message of ${size}: ${small.verdict.shown.slice(0, 2).join(', ')}`)
}

/** A message of so many octets, if they are enough for one. */
async function shown(scanner: Scanner, hostname: string, size: number): Promise<Outcome> {
  const postmaster = `postmaster@${hostname}`
  const header = [
    `From: <${postmaster}>`,
    `To: <${postmaster}>`,
    'Subject: postern doctor',
    'MIME-Version: 1.0',
    'Content-Type: application/octet-stream',
  ]
  const start = Buffer.from(`${header.join('\r\n')}\r\n\r\n`)
  const envelope: ScanEnvelope = {
    ...{ id: 'doctor', hostname, from: postmaster, recipients: [postmaster], helo: hostname },
    ...{ ip: '127.0.0.1', clientName: hostname, user: undefined },
  }
  const scan = new WatchedScan(scanner, envelope, { patienceMs: WITHIN_MS })
  await scan.write(start)
  for (let left = size - start.length; left > 0; left -= BLOCK.length) await scan.write(BLOCK.subarray(0, left))
  return scan.finish(WITHIN_MS)
}
