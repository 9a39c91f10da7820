/** What this server can do: built once from the commands and extensions there are, minus what the configuration disables. */
import type { AnyCommand, By, Call, SyncLevel } from './command.ts'
import type { Extension } from './extension.ts'
import type { State } from './session.ts'

/** A command under one of its names. */
export interface Entry {
  readonly command: AnyCommand
  readonly call: Call
  readonly sync: SyncLevel
}

export interface Registry {
  /** By the name as the client wrote it, upper case. */
  find(name: string): Entry | undefined
  /** Whether this word is the first of a name of two: `UID`. */
  isPrefix(word: string): boolean
  /** What CAPABILITY says in a state. */
  capabilities(state: State): readonly string[]
  /** What ENABLE may turn on, upper case (RFC 5161). */
  readonly enableable: ReadonlySet<string>
}

/** Throws where two commands share a name, or `disable` names what there is not. */
export function createRegistry(commands: readonly AnyCommand[], extensions: readonly Extension[], disable: readonly string[] = []): Registry {
  const off = new Set(disable.map((name) => name.toUpperCase()))
  const announcing = [...extensions, ...commands.filter((command) => command.capability !== undefined)]
  for (const name of off) {
    const known = announcing.find((one) => one.capability?.toUpperCase() === name)
    if (!known) throw new Error(`there is no IMAP capability ${name} to disable`)
    if ('required' in known && known.required) throw new Error(`the IMAP capability ${name} cannot be disabled`)
  }
  const isOn = ({ capability }: { readonly capability?: string }): boolean => capability === undefined || !off.has(capability.toUpperCase())

  const entries = new Map<string, Entry>()
  const prefixes = new Set<string>()
  for (const command of commands.filter(isOn)) {
    for (const name of command.names) {
      if (entries.has(name)) throw new Error(`two IMAP commands are called ${name}`)
      const [first, second] = name.split(' ') as [string, string?]
      if (second) prefixes.add(first)
      entries.set(name, entry(command, name, second ? 'uid' : 'msn'))
    }
  }

  const announced = (state: State): string[] => {
    const now = announcing.filter((one) => isOn(one) && (one.announce?.includes(state) ?? true))
    return [...new Set(now.map((one) => one.capability!))]
  }
  const byState = { anonymous: announced('anonymous'), authenticated: announced('authenticated'), selected: announced('selected') }
  return {
    find: (name) => entries.get(name),
    isPrefix: (word) => prefixes.has(word),
    capabilities: (state) => byState[state],
    enableable: new Set(extensions.filter((one) => isOn(one) && one.enable).map((one) => one.capability.toUpperCase())),
  }
}

function entry(command: AnyCommand, name: string, by: By): Entry {
  return { command, call: { name, by }, sync: typeof command.sync === 'string' ? command.sync : command.sync[by] }
}
