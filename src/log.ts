/** The log: pino, JSON lines, pretty on a terminal. Never a body, never a secret: those keys are redacted wherever they stand. */
import { type Logger, pino, type TransportSingleOptions } from 'pino'

export type Log = Logger

export interface LogOptions {
  readonly level?: string
  /** A person reads this: coloured lines instead of JSON. */
  readonly pretty?: boolean
}

const SECRETS = ['password', 'pass', 'secret', 'token', 'passwordHash', 'authorization', 'body', 'credentials']

/** A logger on standard output; children carry `service` and the like. */
export function createLog({ level = 'info', pretty = false }: LogOptions = {}): Log {
  const redact = { paths: SECRETS.flatMap((k) => [k, `*.${k}`, `*.*.${k}`]), censor: '[secret]' }
  const transport: TransportSingleOptions | undefined = pretty
    ? { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' } }
    : undefined
  return pino({ level, redact, ...(transport ? { transport } : {}) })
}

/** For tests, and for what has nobody to tell. */
export const silentLog = (): Log => pino({ level: 'silent' })
