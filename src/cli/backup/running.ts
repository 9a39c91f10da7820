/** The server that runs with a data folder, if one does. */
import { type Endpoints, readEndpoints } from '../../serve/endpoints.ts'

export function running(dataDir: string): Endpoints | undefined {
  const endpoints = readEndpoints(dataDir)
  try {
    if (endpoints) process.kill(endpoints.pid, 0)
    return endpoints
  } catch {
    return undefined // its process is gone
  }
}
