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

const inOrder = (columns: readonly Column[], count: number, work: Work): Promise<Uint32Array> =>
  sortInTurns(count, (a, b) => compare(columns, a, columns, b) || a - b, work)

/** Message a of the one columns with message b of the others. */
function compare(columns: readonly Column[], a: number, others: readonly Column[], b: number): number {
  for (let c = 0; c < columns.length; c++) {
    const { values, reverse } = columns[c]!
    const [x, y] = [values[a]!, others[c]!.values[b]!]
    if (x !== y) return x < y === reverse ? 1 : -1
  }
  return 0
}

/** Of a list of UIDs that is in that order: how many of them come before each of the ascending UIDs that are added, and these in the order. No key of the list is looked up that does not decide. */
export async function placesIn(
  context: SearchContext,
  list: Uint32Array,
  uids: readonly number[],
  criteria: readonly Criterion[],
): Promise<{ readonly before: readonly number[]; readonly added: readonly number[] }> {
  const { view } = context.selected
  const found = (of: readonly number[]): Found => ({ uids: of, msns: of.map((uid) => view.msnOf(uid)!) })
  const { uids: added, msns } = await sorted(context, found(uids), criteria)
  const columns = await columnsOf(context, { uids: added, msns }, criteria)
  const before = new Array<number>(added.length).fill(0)
  const until = new Array<number>(added.length).fill(list.length)
  for (;;) {
    // All of them halve what is left to them at once, so that keys are read together.
    const open = before.flatMap((low, i) => (low < until[i]! ? [i] : []))
    if (open.length === 0) return { before, added }
    if (context.work.over) await context.work.pass()
    const middles = open.map((i) => (before[i]! + until[i]!) >> 1)
    const places = [...new Set(middles)]
    const middle = found(places.map((at) => list[at]!))
    const others = await columnsOf(context, middle, criteria)
    const nth = new Map(places.map((at, n) => [at, n]))
    for (const [j, i] of open.entries()) {
      const at = middles[j]!
      const n = nth.get(at)!
      if ((compare(others, n, columns, i) || middle.uids[n]! - added[i]!) < 0) before[i] = at + 1
      else until[i] = at
    }
  }
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
