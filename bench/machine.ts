/** What the figures were taken on. */
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'

export function machine(): string {
  const gib = Math.round(totalmem() / 2 ** 30)
  return `${availableParallelism()} cores ${cpus()[0]?.model ?? 'unknown'}, ${gib} GiB, ${distribution()}, Linux ${release()}`
}

export const load = (): string => loadavg()[0]!.toFixed(1)

function distribution(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown system'
  } catch {
    return 'unknown system'
  }
}

const PROBES = 50
/** What one delivered message and its log record come to. */
const PROBE_BYTES = 8192

/** Microseconds of write + fdatasync at the end of a growing file in that folder: median and worst of 50. */
export function syncLatency(dir: string): { readonly median: number; readonly worst: number } {
  const path = join(dir, 'sync-probe')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(PROBE_BYTES, 1)
  const taken: number[] = []
  try {
    for (let i = 0; i < PROBES; i++) {
      const started = performance.now()
      writeSync(file, block)
      fdatasyncSync(file)
      taken.push((performance.now() - started) * 1000)
    }
  } finally {
    closeSync(file)
    rmSync(path)
  }
  taken.sort((a, b) => a - b)
  return { median: Math.round(taken[PROBES / 2]!), worst: Math.round(taken[PROBES - 1]!) }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
