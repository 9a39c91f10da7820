/** `postern serve`: runs the server until a signal stops it. */
import { loadConfig } from '../config/load.ts'
import { findPlaces, type Places, set } from '../config/places.ts'
import { createLog } from '../log.ts'
import { isWorker } from '../serve/ipc.ts'
import { beThrifty } from '../serve/thrift.ts'
import { words } from '../serve/words.ts'
import { type Command, Usage } from './args.ts'
import { Life } from './life.ts'

export const serve: Command = {
  name: 'serve',
  usage: ['serve [--mailbox ADDRESS]'],
  summary: 'run the server; the first time it writes a config, with ADDRESS as its first mailbox',
  takes: ['mailbox'],
  async run(args, { env, cwd, out }) {
    if (args.words.length > 1) throw new Usage('serve takes no words')
    if (!isWorker(env)) beThrifty(env)
    const places = findPlaces(args.flags, env, cwd)
    const log = createLog({ level: places.logLevel ?? configuredLevel(places), pretty: process.stdout.isTTY && hasPretty() })
    // A reader of our output that went away is no reason to stop serving mail.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
    if (isWorker(env)) {
      const { runWorker } = await import('../serve/worker.ts')
      return runWorker(env, log)
    }
    const configNamed = (args.flags.config ?? set(env, 'POSTERN_CONFIG')) !== undefined
    // Only now: the other commands need nothing of all that.
    const { startServer } = await import('../server.ts')
    return new Life(log).run((stop) => startServer({ stop, places, env, log, say: out, configNamed, mailbox: args.mailbox }))
  },
}

/** What the file says, if it says anything: what is wrong with it is said later. */
function configuredLevel({ configFile }: Places): string {
  try {
    return loadConfig(configFile, words).config.log?.level ?? 'info'
  } catch {
    return 'info'
  }
}

/** pino-pretty is there in a clone, and left out of an image. */
function hasPretty(): boolean {
  try {
    import.meta.resolve('pino-pretty')
    return true
  } catch {
    return false
  }
}
