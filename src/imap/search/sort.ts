/** SORT: what a search found, in the order that was asked for. RFC 5256 §3. */
import type { Work } from '../work.ts'
import { eachKeys } from './content-keys.ts'
import type { Found, SearchContext } from './run.ts'
import { ENVELOPE_KEYS, type SortKey } from './sort-keys.ts'

export interface Criterion {
  readonly key: SortKey
  readonly reverse: boolean
}

/** By the first criterion, what is equal by the next one, and in the end by sequence number, in which no REVERSE has a part. */
export async function sorted(context: SearchContext, found: Found, criteria: readonly Criterion[]): Promise<Found> {
  const order = await inOrder(await columnsOf(context, found, criteria), found.msns.length, context.work)
  const ordered = (of: readonly number[]): number[] => Array.from(order, (i) => of[i]!)
  const { msns, uids, scores } = found
  return { msns: ordered(msns), uids: ordered(uids), ...(scores && { scores: ordered(scores) }) }
}

interface Column {
  readonly values: readonly (number | string)[]
  readonly reverse: boolean
}

async function columnsOf(context: SearchContext, { msns, scores }: Found, criteria: readonly Criterion[]): Promise<Column[]> {
  const columns = criteria.map(({ reverse }) => ({ values: new Array<number | string>(msns.length), reverse }))
  const { view } = context.selected
  let reads = false
  for (const [c, { key }] of criteria.entries()) {
    const { values } = columns[c]!
    if (key.kind === 'index') for (let i = 0; i < msns.length; i++) values[i] = key.of(view.placeAt(msns[i]!)!)
    else if (key.kind === 'relevancy') for (let i = 0; i < msns.length; i++) values[i] = -scores![i]!
    else reads = true
  }
  if (!reads) return columns
  await eachKeys(context, msns, ENVELOPE_KEYS, (keys, i) => {
    for (let c = 0; c < criteria.length; c++) {
      const { key } = criteria[c]!
      if (key.kind === 'text') columns[c]!.values[i] = key.of(keys)
      else if (key.kind === 'number') columns[c]!.values[i] = key.of(keys, view.placeAt(msns[i]!)!)
    }
  })
  return columns
}

function inOrder(columns: readonly Column[], count: number, work: Work): Promise<Uint32Array> {
  const compare = (a: number, b: number): number => {
    for (const { values, reverse } of columns) {
      const [x, y] = [values[a]!, values[b]!]
      if (x !== y) return x < y === reverse ? 1 : -1
    }
    return a - b
  }
  return sortInTurns(count, compare, work)
}

/** Sorted in one go. */
const RUN = 2048

/** 0 … count-1 in the order of `compare`, which makes a difference of any two: runs are merged, and others let in between. */
export async function sortInTurns(count: number, compare: (a: number, b: number) => number, work: Pick<Work, 'over' | 'pass'>): Promise<Uint32Array> {
  let from = Uint32Array.from({ length: count }, (_, i) => i)
  let to = new Uint32Array(count)
  for (let at = 0; at < count; at += RUN) {
    from.subarray(at, at + RUN).sort(compare)
    if (work.over) await work.pass()
  }
  for (let width = RUN; width < count; width *= 2) {
    for (let at = 0; at < count; at += 2 * width) {
      const middle = Math.min(at + width, count)
      const end = Math.min(at + 2 * width, count)
      for (let a = at, b = middle, out = at; out < end; out++) {
        to[out] = b >= end || (a < middle && compare(from[a]!, from[b]!) < 0) ? from[a++]! : from[b++]!
        if (out % RUN === 0 && work.over) await work.pass()
      }
    }
    ;[from, to] = [to, from]
  }
  return from
}
