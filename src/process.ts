/**
 * Who a process is. A pid alone does not say: after a crash the number may belong to somebody else. So a pid that is written down goes
 * with the boot and the tick at which the process started, which no clock change moves.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface ProcessId {
  readonly pid: number
  /** Opaque: boot and start of the process. Two processes never share pid and this. */
  readonly started: string
}

/** Fields after the command name in /proc/PID/stat: state is the first, the start in ticks the twentieth. proc(5). */
const STATE = 0
const START_TICKS = 19

/** The living process with that pid; undefined when there is none, or only a zombie that nobody has reaped. */
export function identify(pid: number): ProcessId | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid)
}

/** Whether that very process, and not another with its number, still runs. */
export const isRunning = (p: ProcessId): boolean => identify(p.pid)?.started === p.started

/** The directory in which it runs, where the system tells and this user may ask; else undefined. */
export function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined
  }
}

/** Pids of the processes that run in that directory. Empty where the system does not tell (no /proc). */
export function processesIn(directory: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && workingDirectory(pid) === directory)
}

function fromProc(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command's name stands in parentheses and may hold any character, so count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[STATE] === 'Z' || fields[STATE] === 'X') return undefined
    return { pid, started: `${bootId()}:${fields[START_TICKS]}` }
  } catch {
    return undefined
  }
}

let boot: string | undefined
function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  return boot
}

function fromPs(pid: number): ProcessId | undefined {
  try {
    const [state = '', ...started] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', `${pid}`], {
      encoding: 'latin1',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .trim()
      .split(/\s+/)
    return state === '' || state.startsWith('Z') ? undefined : { pid, started: started.join(' ') }
  } catch {
    return undefined
  }
}
