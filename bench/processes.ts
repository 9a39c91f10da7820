/** CPU of process trees, read from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** proc(5): clock ticks are a hundredth of a second on every Linux. */
const TICK_MS = 10

interface Stat {
  readonly parent: number
  /** Own ticks and those of children that were waited for. */
  readonly ticks: number
}

function stat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // Fields after the command's name: state, parent, … utime, stime, cutime, cstime as the 12th to 15th.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]) }
  } catch {
    return undefined
  }
}

/** Milliseconds of CPU of these processes and all below them. A child that ended counts with the parent that waited for it. */
export function cpuOf(roots: readonly number[]): number {
  const all = new Map<number, Stat>()
  for (const name of readdirSync('/proc')) {
    const found = /^\d+$/.test(name) ? stat(Number(name)) : undefined
    if (found) all.set(Number(name), found)
  }
  const wanted = new Set(roots)
  // A child may stand before its parent in the list: look until nothing is added.
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size
    for (const [pid, { parent }] of all) if (wanted.has(parent)) wanted.add(pid)
  }
  let ticks = 0
  for (const pid of wanted) ticks += all.get(pid)?.ticks ?? 0
  return ticks * TICK_MS
}

/** Whether there is a process with that pid, be it a zombie. */
export const isAlive = (pid: number): boolean => stat(pid) !== undefined
