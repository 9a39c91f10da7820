/** The server that runs with a data folder, if one does. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Endpoints } from '../../serve/endpoints.ts'

export function running(dataDir: string): Endpoints | undefined {
  try {
    const endpoints = JSON.parse(readFileSync(join(dataDir, 'endpoints.json'), 'utf8')) as Endpoints
    process.kill(endpoints.pid, 0)
    return endpoints
  } catch {
    return undefined // it was removed at the end, or its process is gone
  }
}
