/** The time that a report is about. */
import { KEEP_REPORT_DAYS } from '../store/reports.ts'
import { Unreadable } from './unreadable.ts'

const DAY = 86_400_000
/** Clocks differ, and a period may end after its report. */
const MAX_AHEAD = 2 * DAY
/** Most are about a day. */
const MAX_LENGTH = 40 * DAY

export interface Period {
  /** Milliseconds since 1970. */
  readonly began: number
  readonly ended: number
}

/** Throws Unreadable. */
export function periodOf(began: number, ended: number, now = Date.now()): Period {
  if (!(began >= 0 && began <= ended && ended - began <= MAX_LENGTH && ended <= now + MAX_AHEAD))
    throw new Unreadable('the time that it is about makes no sense')
  if (ended < now - KEEP_REPORT_DAYS * DAY) throw new Unreadable(`it is about a time more than ${KEEP_REPORT_DAYS} days ago`)
  return { began: Math.round(began), ended: Math.round(ended) }
}
