/** Small disks: tmpfs mounts of their own, filled and emptied again. Needs root. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { missing } from '../support/programs.ts'

export interface Disk {
  readonly path: string
  readonly free: number
  /** Leaves `octets` free. */
  fill(octets: number): void
  empty(): void
  unmount(): void
}

/** Why there can be no small disks here; false: there can. */
export const noDisks = (): string | false => missing('mount', 'umount') || (process.getuid?.() !== 0 && 'mounting needs root')

const MIB = 1024 * 1024

/** A tmpfs of `size` MiB at `path`. It goes with this process at the latest. */
export function mountDisk(path: string, size: number): Disk {
  mkdirSync(path, { recursive: true })
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m,mode=0711`, 'postern-test', path])
  if (status !== 0) throw new Error(`mount: ${stderr}`)
  const ballast = join(path, 'ballast')
  const freeOf = (): number => {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  }
  const unmount = (): void => void spawnSync('umount', ['-l', path])
  process.once('exit', unmount)
  return {
    path,
    get free() {
      return freeOf()
    },
    fill(octets) {
      const file = openSync(ballast, 'a')
      try {
        // Whole pieces, then a page at a time: others may take some meanwhile.
        for (const piece of [Buffer.alloc(MIB), Buffer.alloc(4096)]) while (freeOf() - octets >= piece.length) writeSync(file, piece)
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== 'ENOSPC') throw err
      } finally {
        closeSync(file)
      }
    },
    empty: () => rmSync(ballast, { force: true }),
    unmount() {
      process.off('exit', unmount)
      unmount()
    },
  }
}
