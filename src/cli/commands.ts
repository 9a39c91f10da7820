/** Every command. */
import { type Arguments, type Command, parseArguments, type Surroundings, Usage } from './args.ts'
import { backup } from './backup/backup.ts'
import { restore } from './backup/restore.ts'
import { failure } from './failure.ts'
import { helpFor } from './help.ts'
import { mailbox } from './mailbox.ts'
import { serve } from './serve.ts'
import { version } from './version.ts'

export const COMMANDS: readonly Command[] = [serve, mailbox, backup, restore, version, helpFor(() => COMMANDS)]

/** Flags that only some commands take, as they are typed. */
const OWN_FLAGS = [
  ['passwordStdin', '--password-stdin'],
  ['name', '--name'],
  ['mailbox', '--mailbox'],
] as const satisfies readonly (readonly [keyof Arguments, string])[]

/** Runs one command line; resolves to the exit code. Never throws. */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  try {
    const args = parseArguments(argv)
    const command = find(args)
    for (const [key, flag] of OWN_FLAGS) if (args[key] && !command.takes.includes(key)) throw new Usage(`${command.name} takes no ${flag}`)
    return await command.run(args, around)
  } catch (error) {
    const { code, text, expected } = failure(error)
    around.err(text)
    if (!expected && around.env['POSTERN_DEBUG'] && error instanceof Error) around.err(error.stack ?? '')
    return code
  }
}

function find({ words: [name], help, version: asked }: Arguments): Command {
  const wanted = help ? 'help' : asked ? 'version' : name
  const command = COMMANDS.find((c) => c.name === wanted)
  if (command) return command
  throw new Usage(wanted === undefined ? `a command is missing: one of ${names()}` : `there is no command "${wanted}": it is one of ${names()}`)
}

const names = (): string => COMMANDS.map((c) => c.name).join(', ')
