/** Rows of a report, added up. */
import type { DmarcRow } from './reports.ts'

/** What makes two rows one: all but the count. */
export const fateOf = ({ source, disposition, dkim, spf, override, from, signed, path }: DmarcRow): string =>
  JSON.stringify([source, disposition, dkim, spf, override, from, signed, path])

/** The largest, those that pass neither check first; the rest by their fate alone. */
export function condensed(rows: readonly DmarcRow[], max: number): DmarcRow[] {
  if (rows.length <= max) return [...rows]
  const passes = ({ dkim, spf }: DmarcRow): number => Number(dkim || spf)
  const sorted = [...rows].sort((a, b) => passes(a) - passes(b) || b.count - a.count)
  const rest = new Map<string, DmarcRow>()
  for (const { disposition, dkim, spf, count } of sorted.slice(max)) {
    const row: DmarcRow = { source: '', count, disposition, dkim, spf, override: '', from: '', signed: '', path: '' }
    const key = fateOf(row)
    rest.set(key, { ...row, count: count + (rest.get(key)?.count ?? 0) })
  }
  return [...sorted.slice(0, max), ...rest.values()]
}
