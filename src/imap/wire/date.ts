/** date and date-time of the IMAP grammar (RFC 9051 §9). */
import { Bad } from '../reply.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DATE = /^([ 0-9]?[0-9])-([A-Za-z]{3})-([0-9]{4})$/
const DATE_TIME = /^([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})$/
const MINUTE = 60_000

function midnight(day: string, month: string, year: string): number {
  const m = MONTHS.indexOf(month[0]!.toUpperCase() + month.slice(1).toLowerCase())
  const d = Number(day)
  const at = new Date(0)
  at.setUTCFullYear(Number(year), m, d)
  if (m < 0 || at.getUTCDate() !== d || at.getUTCMonth() !== m) throw new Bad('Invalid date')
  return at.getTime()
}

/** `5-Nov-2020` → midnight UTC in milliseconds since 1970. Throws Bad. */
export function parseDate(text: string): number {
  const match = DATE.exec(text)
  if (!match) throw new Bad('Invalid date')
  return midnight(match[1]!, match[2]!, match[3]!)
}

/** ` 5-Nov-2020 10:00:00 +0100` → milliseconds since 1970. Throws Bad. */
export function parseDateTime(text: string): number {
  const match = DATE_TIME.exec(text)
  if (!match) throw new Bad('Invalid date-time')
  const [, day, month, year, hours, minutes, seconds, sign, zoneHours, zoneMinutes] = match as unknown as string[]
  const [h, m, s, zh, zm] = [hours, minutes, seconds, zoneHours, zoneMinutes].map(Number) as [number, number, number, number, number]
  // 60: a leap second
  if (h > 23 || m > 59 || s > 60 || zm > 59) throw new Bad('Invalid date-time')
  const local = midnight(day!, month!, year!) + ((h * 60 + m) * 60 + s) * 1000
  const offset = (zh * 60 + zm) * MINUTE
  return sign === '+' ? local - offset : local + offset
}

const two = (n: number): string => (n < 10 ? `0${n}` : `${n}`)

/** Milliseconds since 1970 → ` 5-Nov-2020 09:00:00 +0000`, 26 characters, without quotes. */
export function formatDateTime(at: number): string {
  const d = new Date(at)
  const day = d.getUTCDate()
  const year = `${d.getUTCFullYear()}`.padStart(4, '0')
  const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`
  return `${day < 10 ? ' ' : ''}${day}-${MONTHS[d.getUTCMonth()]}-${year} ${time} +0000`
}
