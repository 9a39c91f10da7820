/** Notices that a file was edited, replaced, moved away or put back. By asking: editors rename, network file systems and containers send no events. */
import { statSync } from 'node:fs'

/** A change is told one to two of these after it was made. */
export const POLL_MS = 400

export interface Watch {
  /** From now on these files. */
  files(list: readonly string[]): void
  close(): void
}

/**
 * Calls `changed` when a file is other than it was, and has been so from one look to the next: an editor that writes in place is not read half way.
 * It does not keep the process alive.
 */
export function watchFiles(list: readonly string[], changed: () => void, everyMs = POLL_MS): Watch {
  let seen = look(list)
  let settling = false
  const timer = setInterval(() => {
    const now = look(seen.keys())
    const differs = [...now].some(([file, state]) => seen.get(file) !== state)
    seen = now
    if (!differs && settling) changed()
    settling = differs
  }, everyMs)
  timer.unref()
  return {
    files(next) {
      // What was watched before keeps the state it was last seen in: a change in between is not lost.
      seen = new Map([...look(next)].map(([file, state]) => [file, seen.get(file) ?? state]))
    },
    close: () => clearInterval(timer),
  }
}

const look = (files: Iterable<string>): Map<string, string> => new Map([...files].map((file) => [file, stateOf(file)]))

function stateOf(file: string): string {
  try {
    const { mtimeNs, ctimeNs, size, ino } = statSync(file, { bigint: true })
    return `${mtimeNs} ${ctimeNs} ${size} ${ino}`
  } catch {
    return 'missing'
  }
}
