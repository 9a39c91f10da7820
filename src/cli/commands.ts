/** Every command. */
import { type Arguments, type Command, parseArguments, type Surroundings, Usage } from './args.ts'
import { failure } from './failure.ts'
import { helpFor } from './help.ts'

/** Each is loaded when it is wanted: a short one needs next to nothing. */
const LOADERS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['serve', async () => (await import('./serve.ts')).serve],
  ['mailbox', async () => (await import('./mailbox.ts')).mailbox],
  ['queue', async () => (await import('./queue.ts')).queue],
  ['dkim', async () => (await import('./dkim.ts')).dkim],
  ['dns', async () => (await import('./dns.ts')).dns],
  ['reports', async () => (await import('./reports/reports.ts')).reports],
  ['doctor', async () => (await import('./doctor.ts')).doctor],
  ['backup', async () => (await import('./backup/backup.ts')).backup],
  ['restore', async () => (await import('./backup/restore.ts')).restore],
  ['health', async () => (await import('./health.ts')).health],
  ['version', async () => (await import('./version.ts')).version],
  ['help', async () => helpFor(allCommands)],
])

export const allCommands = (): Promise<Command[]> => Promise.all([...LOADERS.values()].map((load) => load()))

/** Flags that only some commands take, as they are typed. */
const OWN_FLAGS = [
  ['passwordStdin', '--password-stdin'],
  ['weak', '--weak'],
  ['name', '--name'],
  ['mailbox', '--mailbox'],
  ['scope', '--scope'],
  ['ready', '--ready'],
  ['moved', '--moved'],
  ['format', '--format'],
  ['dryRun', '--dry-run'],
  ['domain', '--domain'],
  ['from', '--from'],
  ['all', '--all'],
  ['tell', '--tell'],
  ['offline', '--offline'],
  ['reach', '--reach'],
  ['days', '--days'],
  ['json', '--json'],
] as const satisfies readonly (readonly [keyof Arguments, string])[]

/** Runs one command line; resolves to the exit code. Never throws. */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  try {
    const args = parseArguments(argv)
    const command = await find(args)
    for (const [key, flag] of OWN_FLAGS) if (args[key] && !command.takes.includes(key)) throw new Usage(`${command.name} takes no ${flag}`)
    return await command.run(args, around)
  } catch (error) {
    const { code, text, expected } = failure(error)
    around.err(text)
    if (!expected && around.env['POSTERN_DEBUG'] && error instanceof Error) around.err(error.stack ?? '')
    return code
  }
}

async function find({ words: [name], help, version: asked }: Arguments): Promise<Command> {
  const wanted = help ? 'help' : asked ? 'version' : name
  const load = LOADERS.get(wanted ?? '')
  if (load) return load()
  throw new Usage(wanted === undefined ? `a command is missing: one of ${names()}` : `there is no command "${wanted}": it is one of ${names()}`)
}

const names = (): string => [...LOADERS.keys()].join(', ')
