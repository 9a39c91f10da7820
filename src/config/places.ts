/** Where the config file and the data folder are: flag before environment before the usual place. */
import { join, resolve } from 'node:path'
import { LOG_LEVELS, MAX_WORKERS, ROLES, type Role } from './names.ts'

/** The flags that every command takes. */
export interface Flags {
  readonly data?: string | undefined
  readonly config?: string | undefined
  readonly ports?: string | undefined
  readonly logLevel?: string | undefined
  readonly workers?: string | undefined
  readonly roles?: string | undefined
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
  /** undefined: what the config says. */
  readonly workers: number | 'auto' | undefined
  /** undefined: what the config says. */
  readonly roles: readonly Role[] | undefined
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
    ports: oneOf(PORT_CHOICES, flags.ports ?? set(env, 'POSTERN_PORTS'), says(flags.ports, '--ports', 'POSTERN_PORTS')),
    logLevel: oneOf(LOG_LEVELS, flags.logLevel ?? set(env, 'POSTERN_LOG_LEVEL'), says(flags.logLevel, '--log-level', 'POSTERN_LOG_LEVEL')),
    workers: workersIn(flags.workers ?? set(env, 'POSTERN_WORKERS'), says(flags.workers, '--workers', 'POSTERN_WORKERS')),
    roles: (flags.roles ?? set(env, 'POSTERN_ROLES'))
      ?.split(',')
      .map((name) => oneOf(ROLES, name.trim(), `each of ${says(flags.roles, '--roles', 'POSTERN_ROLES')}`)!),
  }
}

/** Which of the two a complaint is about. */
const says = (flag: string | undefined, name: string, variable: string): string => (flag === undefined ? variable : name)

function workersIn(value: string | undefined, name: string): number | 'auto' | undefined {
  if (value === undefined || value === 'auto') return value
  if (/^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= MAX_WORKERS) return Number(value)
  throw new BadFlag(`${name} is auto, or a number of processes from 1 to ${MAX_WORKERS}, not "${value}"`)
}

/** The variable's value; undefined when it is not set or empty. */
export const set = (env: Env, name: string): string | undefined => env[name] || undefined

function oneOf<T extends string>(choices: readonly T[], value: string | undefined, flag: string): T | undefined {
  if (value === undefined) return undefined
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw new BadFlag(`${flag} is one of ${choices.join(', ')}, not "${value}"`)
  return found
}
