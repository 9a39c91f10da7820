/** `postern health`: asks the running server how it is. For container engines: it loads next to nothing. */
import { get } from 'node:http'
import { findPlaces } from '../config/places.ts'
import { readEndpoints } from '../serve/endpoints.ts'
import { type Command, Usage } from './args.ts'
import { DONE, REFUSED } from './failure.ts'

const ANSWER_MS = 4_000
const MAX_OCTETS = 16 * 1024

export const health: Command = {
  name: 'health',
  usage: ['health [--ready]'],
  summary: 'ask the running server whether it is alive, or ready for connections; the exit code tells',
  takes: ['ready'],
  async run(args, { env, cwd, out, err }) {
    if (args.words.length > 1) throw new Usage('health takes no words')
    const { dataDir } = findPlaces(args.flags, env, cwd)
    const endpoints = readEndpoints(dataDir)
    if (!endpoints?.http) {
      err(
        endpoints
          ? 'postern: the running server has no role "http": nobody can ask it'
          : `postern: no server runs with ${dataDir}, or it is still starting`,
      )
      return REFUSED
    }
    const { host, port } = endpoints.http
    try {
      const { status, text } = await ask({ host: ANY.get(host) ?? host, port, path: args.ready ? '/readyz' : '/livez' })
      out(text.trimEnd())
      return status === 200 ? DONE : REFUSED
    } catch (error) {
      err(`postern: the server does not answer: ${error instanceof Error ? error.message : error}`)
      return REFUSED
    }
  },
}

/** Where one listens on every address. */
const ANY: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

function ask(where: { host: string; port: number; path: string }): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = get({ ...where, agent: false, signal: AbortSignal.timeout(ANSWER_MS) }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (text.length > MAX_OCTETS) request.destroy(new Error('it says too much'))
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    request.on('error', reject)
  })
}
