/** A process with the life of a server and a server that does nothing: says what is asked of it. argv[2]: `crash` after the start, `waiting` before it, or wait for signals. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Life } from '../../src/cli/life.ts'
import { silentLog } from '../../src/log.ts'
import type { Endpoints } from '../../src/serve/endpoints.ts'

const say = (text: string) => void process.stdout.write(`${text}\n`)
const end = Promise.withResolvers<void>()
const alive = setInterval(() => {}, 1_000)

process.exitCode = await new Life(silentLog()).run(async (stop) => {
  say('starting')
  if (process.argv[2] === 'waiting') await sleep(60_000, undefined, { signal: stop }).finally(() => clearInterval(alive))
  if (process.argv[2] === 'slow') await sleep(400)
  if (process.argv[2] === 'crash') setTimeout(() => Promise.reject(new Error('nobody catches this')), 10)
  say('started')
  return {
    endpoints: {} as Endpoints,
    drainMs: 30_000,
    reload: () => say('reload'),
    async stop(ms) {
      say(`stop ${ms}`)
      if (ms === 0 || process.argv[2] === 'crash' || process.argv[2] === 'slow') end.resolve()
      await end.promise
      clearInterval(alive)
    },
  }
})
