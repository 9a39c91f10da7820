/** One server per data folder. `postern.lock` says which process it is beyond doubt; `postern.pid` has its pid alone, for scripts. */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { faultOf } from '../file-faults.ts'
import { identify, isRunning, type ProcessId } from '../process.ts'
import { Refused } from './refused.ts'

/** Long enough for whoever saw the same dead owner at the same moment to have put its file in place. */
const SETTLE = 40

export interface Lock {
  release(): void
}

const IN_A_FOLDER: ReadonlyMap<string, string> = new Map([
  ['EEXIST', 'it is a file'],
  ['EACCES', 'this user may not write there'],
  ['EPERM', 'this user may not write there'],
])

/** With those above it, for this user alone. Not Node's `recursive`: where nobody may make any, as below /proc, that one never ends. */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 })
  } catch (error) {
    const above = dirname(dir)
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync(above)) {
      makeFolder(above)
      mkdirSync(dir, { mode: 0o700 })
    } else if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

/** Makes the data folder where there is none, and locks it. Throws Refused where either cannot be. */
export async function openFolder(dir: string): Promise<Lock> {
  try {
    makeFolder(dir)
    return await lockFolder(dir)
  } catch (cause) {
    if (cause instanceof Refused || (cause as NodeJS.ErrnoException).code === undefined) throw cause
    const why = IN_A_FOLDER.get((cause as NodeJS.ErrnoException).code!) ?? faultOf(cause)
    throw new Refused(`The data folder ${dir} cannot be used: ${why}.`, { cause })
  }
}

/** Throws Refused while a living server has the folder. */
export async function lockFolder(dir: string): Promise<Lock> {
  const lock = join(dir, 'postern.lock')
  const pid = join(dir, 'postern.pid')
  const mine = identify(process.pid)
  if (!mine) throw new Error('this process cannot be found')
  const candidate = `${lock}.${process.pid}`
  try {
    writeFileSync(candidate, `${JSON.stringify(mine)}\n`, { mode: 0o600 })
    if (!linked(candidate, lock)) {
      refuseWhileOwned(lock, dir)
      renameSync(candidate, lock)
      await sleep(SETTLE)
      refuseWhileOwned(lock, dir)
    }
  } finally {
    forget(candidate)
  }
  replace(pid, `${process.pid}\n`)
  return {
    release() {
      if (ownerOf(lock)?.pid !== process.pid) return
      rmSync(pid, { force: true })
      rmSync(lock, { force: true })
    },
  }
}

function refuseWhileOwned(lock: string, dir: string): void {
  const owner = ownerOf(lock)
  if (owner && owner.pid !== process.pid && isRunning(owner))
    throw new Refused(`Another Postern (process ${owner.pid}) runs with the data folder ${dir}. Stop it first, or use another folder with --data.`)
}

/** Makes the second name, unless there is one. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function ownerOf(lock: string): ProcessId | undefined {
  try {
    const { pid, started } = JSON.parse(readFileSync(lock, 'utf8')) as Record<string, unknown>
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined
  } catch {
    return undefined // written by a crash, or by nobody of ours
  }
}

/** What cannot be removed was mostly not made either, and why not is known already. */
function forget(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {
    // As it is.
  }
}

/** The whole file or the one before. */
export function replace(file: string, text: string, mode = 0o644): void {
  const next = `${file}.${process.pid}`
  rmSync(next, { force: true })
  writeFileSync(next, text, { mode })
  renameSync(next, file)
}
