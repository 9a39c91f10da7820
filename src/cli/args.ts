/** The command line: `postern [flags] command [words] [flags]`. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import type { Env, Flags } from '../config/places.ts'

/** The command line says something that does not exist: exit code 2. */
export class Usage extends Error {
  override readonly name = 'Usage'
}

export interface Arguments {
  readonly flags: Flags
  /** Flags of single commands. */
  readonly passwordStdin: boolean
  readonly weak: boolean
  readonly name: string | undefined
  readonly mailbox: string | undefined
  readonly scope: string | undefined
  readonly ready: boolean
  readonly moved: boolean
  readonly format: string | undefined
  readonly dryRun: boolean
  readonly domain: string | undefined
  readonly from: string | undefined
  readonly all: boolean
  readonly tell: boolean
  readonly offline: boolean
  readonly reach: string | undefined
  readonly days: string | undefined
  readonly json: boolean
  readonly help: boolean
  readonly version: boolean
  readonly words: readonly string[]
}

/** What a command is given; tests give their own. */
export interface Surroundings {
  readonly env: Env
  readonly cwd: string
  readonly stdin: NodeJS.ReadableStream
  /** A line, or lines, to standard output and standard error. */
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

export interface Command {
  readonly name: string
  readonly usage: readonly string[]
  /** One line for `help`. */
  readonly summary: string
  /** The flags beside the global ones that it takes. */
  readonly takes: readonly (keyof Arguments)[]
  /** The exit code. Throws Usage, or anything that cli/failure.ts has words for. */
  readonly run: (args: Arguments, around: Surroundings) => Promise<number>
}

const OPTIONS = {
  data: { type: 'string' },
  config: { type: 'string' },
  ports: { type: 'string' },
  'log-level': { type: 'string' },
  workers: { type: 'string' },
  roles: { type: 'string' },
  'password-stdin': { type: 'boolean' },
  weak: { type: 'boolean' },
  name: { type: 'string' },
  mailbox: { type: 'string' },
  scope: { type: 'string' },
  ready: { type: 'boolean' },
  moved: { type: 'boolean' },
  format: { type: 'string' },
  'dry-run': { type: 'boolean' },
  domain: { type: 'string' },
  from: { type: 'string' },
  all: { type: 'boolean' },
  tell: { type: 'boolean' },
  offline: { type: 'boolean' },
  reach: { type: 'string' },
  days: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
} as const satisfies ParseArgsConfig['options']

/** Throws Usage. */
export function parseArguments(argv: readonly string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true })
    for (const [flag, value] of Object.entries(values)) if (value === '') throw new Usage(`--${flag} needs a value`)
    return {
      flags: {
        data: values.data,
        config: values.config,
        ports: values.ports,
        logLevel: values['log-level'],
        workers: values.workers,
        roles: values.roles,
      },
      passwordStdin: values['password-stdin'] ?? false,
      weak: values.weak ?? false,
      name: values.name,
      mailbox: values.mailbox,
      scope: values.scope,
      ready: values.ready ?? false,
      moved: values.moved ?? false,
      format: values.format,
      dryRun: values['dry-run'] ?? false,
      domain: values.domain,
      from: values.from,
      all: values.all ?? false,
      tell: values.tell ?? false,
      offline: values.offline ?? false,
      reach: values.reach,
      days: values.days,
      json: values.json ?? false,
      help: values.help ?? false,
      version: values.version ?? false,
      words: positionals,
    }
  } catch (error) {
    throw error instanceof Usage ? error : new Usage(error instanceof Error ? error.message.split(/\n|\. To specify /)[0]! : String(error))
  }
}
