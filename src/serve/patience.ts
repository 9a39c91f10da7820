/** A database that is not there yet: started at the same time as we, it may take a while. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { TooOld, Unavailable } from '../store/errors.ts'
import { isLost } from '../store/pg/pool.ts'
import { Refused } from './refused.ts'

const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 4_000
/** What takes longer is told. */
const SAY_MS = 1_000

interface Patience {
  readonly ms: number
  readonly log: Log
  /** Nobody wants to wait any more. */
  readonly stop?: AbortSignal | undefined
}

/** Tries again while nobody answers, for so many milliseconds in all; what an answer says is thrown at once, and so is what `stop` says. Throws Refused with the last reason. */
export async function patiently<T>(open: () => Promise<T>, { ms, log, stop }: Patience): Promise<T> {
  const end = performance.now() + ms
  const say = setTimeout(() => log.warn({ seconds: Math.ceil(ms / 1_000) }, 'waiting for the database'), SAY_MS)
  try {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        return await open()
      } catch (error) {
        if (error instanceof TooOld) throw new Refused(`${error.message}.`, { cause: error })
        if (!(error instanceof Unavailable) && !isLost(error))
          throw isNotForUs(error) ? new Refused(`The database says: ${error.message}.`, { cause: error }) : error
        if (performance.now() + wait > end) throw new Refused(`The database cannot be reached: ${reasonOf(error)}.`, { cause: error })
      }
      await sleep(wait, undefined, stop && { signal: stop })
    }
  } finally {
    clearTimeout(say)
  }
}

/** SQLSTATE of a wrong user, password or database, and of rights that are missing. */
const NOT_FOR_US = /^(?:28...|3D000|42501)$/
const isNotForUs = (error: unknown): error is Error => error instanceof Error && 'code' in error && NOT_FOR_US.test(String(error.code))

/** The innermost words; a failed connection to several addresses has them inside. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (error instanceof Unavailable && error.cause !== undefined) return reasonOf(error.cause)
  return error instanceof Error ? error.message || error.name : String(error)
}
