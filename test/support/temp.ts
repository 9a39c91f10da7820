/** Folders for tests, outside the project. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder that other users may pass through: started by root, the embedded Postgres runs as one of them. */
export function tempFolder(name: string, below = tmpdir()): string {
  const folder = mkdtempSync(join(below, `postern-${name}-`))
  chmodSync(folder, 0o711)
  return folder
}

/** Removes it, and the database of a data folder in it that had to be put elsewhere. */
export function removeFolder(folder: string, ...dataFolders: string[]): void {
  for (const data of dataFolders) {
    try {
      rmSync(readFileSync(join(data, 'postgres.location'), 'utf8').trim(), { recursive: true, force: true })
    } catch {
      // It is where it belongs.
    }
  }
  rmSync(folder, { recursive: true, force: true })
}
