/**
 * A Postgres that outlived the server that started it (kill -9), or the files of one that is dead. Either must not be in the way of the next start,
 * and neither may ever meet a second Postgres on the same files.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import { identify, isRunning, type ProcessId, processesIn, workingDirectory } from '../../process.ts'
import { EmbeddedRefused, type Home, removeSocketFolder } from './embedded-home.ts'

/** postmaster.pid, by line: Postgres' own miscadmin.h. */
export interface PostmasterFile {
  readonly pid: number
  readonly socketFolder: string
  readonly ready: boolean
}

export function readPostmasterFile(data: string): PostmasterFile | undefined {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    // A postmaster that runs alone writes its pid negative.
    return { pid: Math.abs(Number(lines[0])), socketFolder: lines[4] ?? '', ready: lines[7]?.trim() === 'ready' }
  } catch {
    return undefined
  }
}

/** Writes down that this process runs the cluster. Refuses while another living server does: stopping its Postgres would be no rescue. */
export function claim(home: Home): void {
  const file = join(home.base, 'owner.json')
  const owner = readOwner(file)
  if (owner && owner.pid !== process.pid && isRunning(owner))
    throw new EmbeddedRefused(`Another Postern (process ${owner.pid}) runs the database in ${home.base}. Stop it first, or use another data folder.`)
  writeFileSync(file, JSON.stringify(identify(process.pid)), { mode: 0o600 })
}

export const unclaim = (home: Home): void => rmSync(join(home.base, 'owner.json'), { force: true })

function readOwner(file: string): ProcessId | undefined {
  try {
    const { pid, started } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined
  } catch {
    return undefined
  }
}

const FAST = 60_000
const IMMEDIATE = 10_000
const POLL = 20

/** Leaves nobody on the cluster's files, and no lock file of the dead. Throws EmbeddedRefused when somebody stays. */
export async function clearTheWay(home: Home, log: Log): Promise<void> {
  const left = readPostmasterFile(home.data)
  if (left && isPostmaster(left.pid, home.data)) {
    log.warn({ postmaster: left.pid }, 'the embedded Postgres of an earlier run is still there: stopping it')
    await stopPostmaster(left.pid)
  }
  // Backends of a postmaster that was killed end by themselves when they notice; until then its shared memory is in use.
  const until = performance.now() + IMMEDIATE
  while (others(home).length > 0) {
    if (performance.now() > until) for (const pid of others(home)) kill(pid, 'SIGKILL')
    if (performance.now() > until + IMMEDIATE)
      throw new EmbeddedRefused(`Processes ${others(home).join(', ')} use the database in ${home.data} and cannot be stopped.`)
    await sleep(POLL)
  }
  const stale = readPostmasterFile(home.data)
  if (!stale) return
  if (stale.socketFolder) removeSocketFolder(home, stale.socketFolder)
  // The number in it may be a zombie's or somebody else's by now, and Postgres would not start then. Where /proc told that nobody is
  // there (above) it can go; elsewhere Postgres itself decides.
  if (process.platform === 'linux') rmSync(join(home.data, 'postmaster.pid'), { force: true })
}

/** Fast shutdown (sessions end, a checkpoint is written); harder only when that does not end in a minute. */
export async function stopPostmaster(pid: number): Promise<void> {
  const that = identify(pid)
  if (!that) return
  for (const [signal, patience] of [
    ['SIGINT', FAST],
    ['SIGQUIT', IMMEDIATE],
    ['SIGKILL', IMMEDIATE],
  ] as const) {
    kill(pid, signal)
    const until = performance.now() + patience
    while (performance.now() < until) {
      if (!isRunning(that)) return
      await sleep(POLL)
    }
  }
}

const others = (home: Home): number[] => processesIn(home.data)

/** A postmaster runs in its data folder; where the system does not tell, any living process of that number is taken for it only if its file says ready. */
const isPostmaster = (pid: number, data: string): boolean =>
  identify(pid) !== undefined && (process.platform === 'linux' ? workingDirectory(pid) === data : readPostmasterFile(data)?.ready === true)

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // it ended meanwhile
  }
}
