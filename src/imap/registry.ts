/** What this server can do: built once from the commands and extensions there are, minus what the configuration disables. */
import type { AnyCommand, By, Call, SyncLevel } from './command.ts'
import type { Extension } from './extension.ts'
import { IMAP_LIMITS, type ImapLimits } from './limits.ts'
import type { Reports } from './reports.ts'
import type { State } from './session.ts'
import { mergeTables, type Tables } from './tables.ts'

/** A command under one of its names. */
export interface Entry {
  readonly command: AnyCommand
  /** What it is called by, but for the tag. */
  readonly call: Omit<Call, 'tag'>
  readonly sync: SyncLevel
  /** It speaks of messages by sequence number, and has a form that does not. */
  readonly numbered: boolean
}

export interface Registry {
  /** By the name as the client wrote it, upper case. */
  find(name: string): Entry | undefined
  /** Whether this word is the first of a name of two: `UID`. */
  isPrefix(word: string): boolean
  /** What CAPABILITY says in a state. */
  capabilities(state: State): readonly string[]
  /** The same without values: `APPENDLIMIT`. */
  names(state: State): ReadonlySet<string>
  /** What ENABLE may turn on, upper case (RFC 5161). */
  readonly enableable: ReadonlyMap<string, Enableable>
  /** What commands parse by. */
  readonly tables: Tables
}

export interface Enableable {
  /** What it turns on beside itself. */
  readonly also: readonly string[]
  readonly reports: Partial<Reports>
  readonly begun: Extension['begun']
}

/** What the configuration says of capabilities, in any case. */
export interface Choice {
  readonly disable?: readonly string[]
  /** Of those that are only there on request. */
  readonly request?: readonly string[]
  readonly limits?: ImapLimits
}

/** Capabilities that the configuration may name, upper case. */
export interface Choices {
  readonly disable: ReadonlySet<string>
  readonly enable: ReadonlySet<string>
}

export function choicesOf(commands: readonly AnyCommand[], extensions: readonly Extension[]): Choices {
  const announcing = [...extensions, ...commands] as (Partial<Announcing> & Pick<Announcing, 'required' | 'onRequest'>)[]
  const names = (of: (one: Partial<Announcing>) => boolean) =>
    new Set(announcing.filter((one) => one.capability !== undefined && of(one)).map((one) => one.capability!.toUpperCase()))
  return { disable: names((one) => !one.required), enable: names((one) => one.onRequest === true) }
}

type Announcing = Pick<Extension, 'announce' | 'shown' | 'required' | 'onRequest' | 'needs'> & { readonly capability: string }

/** Throws where two commands share a name, or `disable` and `request` name what there is not. */
export function createRegistry(
  commands: readonly AnyCommand[],
  extensions: readonly Extension[],
  { disable = [], request = [], limits = IMAP_LIMITS }: Choice = {},
): Registry {
  const announcing = [...extensions, ...commands.filter((command) => command.capability !== undefined)] as Announcing[]
  const named = (names: readonly string[], to: string): Set<string> => {
    for (const name of names)
      if (!announcing.some((one) => same(one.capability, name))) throw new Error(`there is no IMAP capability ${name.toUpperCase()} to ${to}`)
    return new Set(names.map((name) => name.toUpperCase()))
  }
  const off = named(disable, 'disable')
  const on = named(request, 'enable')
  const required = announcing.find((one) => one.required && off.has(one.capability.toUpperCase()))
  if (required) throw new Error(`the IMAP capability ${required.capability} cannot be disabled`)
  const isOn = ({ capability, onRequest, needs = [] }: Partial<Announcing>): boolean =>
    capability === undefined ||
    (!off.has(capability.toUpperCase()) && (!onRequest || on.has(capability.toUpperCase())) && !needs.some((name) => off.has(name.toUpperCase())))

  const entries = new Map<string, Entry>()
  const prefixes = new Set<string>()
  const isOffered = ({ offeredBy }: AnyCommand): boolean => offeredBy?.some((name) => !off.has(name.toUpperCase())) ?? true
  for (const command of commands.filter((one) => isOn(one) && isOffered(one))) {
    for (const name of command.names) {
      if (entries.has(name)) throw new Error(`two IMAP commands are called ${name}`)
      const [first, second] = name.split(' ') as [string, string?]
      if (second) prefixes.add(first)
      entries.set(name, entry(command, name, second ? 'uid' : 'msn'))
    }
  }

  const announced = (state: State): Announcing[] => announcing.filter((one) => isOn(one) && (one.announce?.includes(state) ?? true))
  const perState = <T>(of: (state: State) => T): Record<State, T> => ({
    anonymous: of('anonymous'),
    authenticated: of('authenticated'),
    selected: of('selected'),
  })
  const shown = perState((state) => [...new Set(announced(state).map((one) => one.shown?.(limits) ?? one.capability))])
  const offered = perState((state) => new Set(announced(state).map((one) => one.capability)))
  const enableable = extensions.filter((one) => isOn(one) && one.enable)
  return {
    find: (name) => entries.get(name),
    isPrefix: (word) => prefixes.has(word),
    capabilities: (state) => shown[state],
    names: (state) => offered[state],
    enableable: new Map(
      enableable.map(({ capability, enable, reports = {}, begun }) => [
        capability.toUpperCase(),
        { also: Array.isArray(enable) ? enable : [], reports, begun },
      ]),
    ),
    tables: mergeTables(extensions.filter(isOn).map(({ adds = {} }) => adds)),
  }
}

const same = (a: string, b: string): boolean => a.toUpperCase() === b.toUpperCase()

function entry(command: AnyCommand, name: string, by: By): Entry {
  const numbered = by === 'msn' && command.names.some((other) => other.includes(' '))
  return { command, call: { name, by }, sync: typeof command.sync === 'string' ? command.sync : command.sync[by], numbered }
}
