/** A message of our own, to see whether a scanner answers. */
import type { ScanEnvelope, Scanner } from './scanner.ts'
import { type Outcome, WatchedScan } from './watched.ts'

const LINE = Buffer.from(`${'x'.repeat(998)}\r\n`)
const BLOCK = Buffer.concat(new Array<Buffer>(64).fill(LINE))

/** Shows it a message from the postmaster of this host to himself, of so many octets if they are enough for one. */
export async function probe(scanner: Scanner, { hostname, size = 0, ms }: { hostname: string; size?: number; ms: number }): Promise<Outcome> {
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
  const scan = new WatchedScan(scanner, envelope, { patienceMs: ms })
  await scan.write(start)
  for (let left = size - start.length; left > 0; left -= BLOCK.length) await scan.write(BLOCK.subarray(0, left))
  return scan.finish(ms)
}
