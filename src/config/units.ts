/** Sizes and times as people write them. */
import { z } from 'zod'

const SIZES = new Map([
  ['', 1],
  ['b', 1],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
])
const TIMES = new Map([
  ['ms', 1],
  ['s', 1000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

function parse(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,3})?) ?([a-z]*)$/i.exec(text.trim()) ?? []
  const factor = units.get(unit.toLowerCase())
  const value = digits === '' || factor === undefined ? Number.NaN : Math.round(Number(digits) * factor)
  return Number.isSafeInteger(value) ? value : undefined
}

/** `50 MiB`, `5GB`, `1000` → octets. */
export const parseSize = (text: string): number | undefined => parse(text, SIZES)
/** `60 s`, `30 min`, `24h` → milliseconds. */
export const parseTime = (text: string): number | undefined => parse(text, TIMES)

function quantity(read: (text: string) => number | undefined, expected: string) {
  const wrong = { error: expected }
  return z.union([z.string(wrong), z.number(wrong)], wrong).transform((value, ctx) => {
    const parsed = read(`${value}`)
    if (parsed === undefined || parsed <= 0) {
      ctx.addIssue({ code: 'custom', message: expected })
      return z.NEVER
    }
    return parsed
  })
}

/** Octets. */
export const size = quantity(parseSize, 'a size with its unit, such as 50 MiB')
/** Milliseconds. */
export const time = quantity(parseTime, 'a time with its unit, such as 60 s, 30 min or 24 h')
/** How many. */
export const count = z
  .int({ error: 'a whole number, 1 or more' })
  .min(1, { error: 'a whole number, 1 or more' })
  .max(1_000_000_000, { error: 'a smaller number' })
