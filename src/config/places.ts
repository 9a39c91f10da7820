/** Where the config file and the data folder are: flag before environment before the usual place. */
import { join, resolve } from 'node:path'
import { LOG_LEVELS } from './schema.ts'

/** The flags that every command takes. */
export interface Flags {
  readonly data?: string | undefined
  readonly config?: string | undefined
  readonly ports?: string | undefined
  readonly logLevel?: string | undefined
}

export const PORT_CHOICES = ['auto', 'standard', 'high'] as const
export type PortChoice = (typeof PORT_CHOICES)[number]

export type Env = Readonly<Record<string, string | undefined>>

export interface Places {
  /** Absolute. */
  readonly configFile: string
  readonly dataDir: string
  /** undefined: what the config says, else standard ports where they may be bound. */
  readonly ports: PortChoice | undefined
  readonly logLevel: string | undefined
}

/** A flag or a variable has a value that it cannot have. */
export class BadFlag extends Error {
  override readonly name = 'BadFlag'
}

/** Throws BadFlag. An empty variable counts as unset. */
export function findPlaces(flags: Flags, env: Env, cwd: string): Places {
  const dir = flags.data ?? set(env, 'POSTERN_DATA')
  const file = flags.config ?? set(env, 'POSTERN_CONFIG')
  return {
    configFile: resolve(cwd, file ?? (dir === undefined ? join('config', 'postern.yaml') : join(dir, 'postern.yaml'))),
    dataDir: resolve(cwd, dir ?? 'data'),
    ports: oneOf(PORT_CHOICES, flags.ports ?? set(env, 'POSTERN_PORTS'), '--ports'),
    logLevel: oneOf(LOG_LEVELS, flags.logLevel ?? set(env, 'POSTERN_LOG_LEVEL'), '--log-level'),
  }
}

/** The variable's value; undefined when it is not set or empty. */
export const set = (env: Env, name: string): string | undefined => env[name] || undefined

function oneOf<T extends string>(choices: readonly T[], value: string | undefined, flag: string): T | undefined {
  if (value === undefined) return undefined
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw new BadFlag(`${flag} is one of ${choices.join(', ')}, not "${value}"`)
  return found
}
