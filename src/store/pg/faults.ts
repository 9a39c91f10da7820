/** What the errors of Postgres and of the way to it mean. */
import pg from 'pg'
import { Unavailable } from '../errors.ts'

/** A failed connection to several addresses has its words inside. */
export function wordsOf(err: unknown): string {
  if (err instanceof AggregateError && err.message === '') return wordsOf(err.errors[0])
  return err instanceof Error ? err.message : String(err)
}

export const codeOf = (err: unknown): string | undefined => (err instanceof pg.DatabaseError ? err.code : undefined)

/** The connection is gone: what it was doing may or may not have been committed. */
export function isLost(err: unknown): boolean {
  const code = codeOf(err)
  if (code !== undefined) return code.startsWith('08') || code === '57P01' || code === '57P02' || code === '57P03'
  return (
    err instanceof Error && (LOST_MESSAGES.some((text) => err.message.includes(text)) || LOST_CODES.has((err as NodeJS.ErrnoException).code ?? ''))
  )
}
const LOST_MESSAGES = ['Connection terminated', 'Client has encountered a connection error', 'timeout', 'Cannot use a pool after']
const LOST_CODES = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ENOENT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])

/** Deadlock or serialisation failure: rolled back for certain, worth trying again. */
export const isConflict = (err: unknown): boolean => ['40001', '40P01'].includes(codeOf(err) ?? '')

/** A schema that is not there yet, or not up to this program's. */
export const isUnknownTable = (err: unknown): boolean => codeOf(err) === '42P01'

export const isUniqueViolation = (err: unknown): boolean => codeOf(err) === '23505'

/** Not now: no connection, no room, no time, shutting down. */
const UNAVAILABLE = ['53', '57', '58', '40', '55P03']

/** Unavailable for what passes; anything else as it is: a fault of ours. */
export function translated(err: unknown): unknown {
  const code = codeOf(err)
  if (isLost(err)) return new Unavailable('the database cannot be reached', { cause: err })
  if (code && UNAVAILABLE.some((prefix) => code.startsWith(prefix)))
    return new Unavailable(code === '53100' ? 'the database has no room left on its disk' : 'the database is too busy or shutting down', {
      cause: err,
    })
  return err
}

export const isCheckViolation = (err: unknown): boolean => codeOf(err) === '23514'
