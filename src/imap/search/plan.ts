/**
 * How a search is carried out: tests that the index answers come first, then those on headers, then those on bodies, and each kind is asked only
 * of messages that the kinds before it left open. A test whose subject is not loaded yet answers MAYBE, or NO where the index of texts excludes it, and AND, OR and NOT calculate with that.
 */
import { SEGMENT_ROWS } from '../../store/index.ts'
import { BODY, type Cost, HEADER, INDEX, MAYBE, NARROWED, NO, type Rows, type Scope, type SearchKey, YES } from './key.ts'

/** Writes a verdict for each row, beginning at out[0]. */
export type Judge = (rows: Rows, out: Uint8Array) => void

export interface Plan {
  readonly judge: Judge
  /** The most expensive test there is. */
  readonly cost: Cost
  /** Headers alone may rule messages out, so that their bodies need no reading. */
  readonly headerFirst: boolean
}

export function plan(key: SearchKey, scope: Scope): Plan {
  const { judge, costs } = compile(key, scope)
  const cost = costs.has(BODY) ? BODY : costs.has(HEADER) ? HEADER : INDEX
  return { judge, cost, headerFirst: costs.has(HEADER) && (cost === HEADER || verdicts(key, HEADER).no) }
}

interface Compiled {
  readonly judge: Judge
  readonly costs: ReadonlySet<Cost>
}

function compile(key: SearchKey, scope: Scope): Compiled {
  switch (key.kind) {
    case 'test': {
      const { cost, probe } = key
      const test = key.bind(scope)
      if (cost === INDEX) return { judge: test, costs: new Set([cost]) }
      const column = probe && scope.probe(probe)
      const excluded = ({ loaded, may, nth }: Rows): boolean => column !== undefined && loaded >= NARROWED && may[column]?.[nth] === 0
      return {
        judge: (rows, out) => (rows.loaded >= cost ? test(rows, out) : fill(rows, out, excluded(rows) ? NO : MAYBE)),
        costs: new Set([cost]),
      }
    }
    case 'not': {
      const { judge, costs } = compile(key.key, scope)
      return { judge: opposite(judge), costs }
    }
    case 'and':
    case 'or': {
      const parts = key.keys.map((k) => compile(k, scope)).sort((a, b) => Math.min(...a.costs) - Math.min(...b.costs))
      const judges = parts.map((part) => part.judge)
      return { judge: key.kind === 'and' ? all(judges) : any(judges), costs: new Set(parts.flatMap((part) => [...part.costs])) }
    }
    default:
      return key satisfies never
  }
}

const fill = ({ from, to }: Rows, out: Uint8Array, verdict: number): void => void out.fill(verdict, 0, to - from)

const opposite =
  (judge: Judge): Judge =>
  (rows, out) => {
    judge(rows, out)
    const count = rows.to - rows.from
    for (let i = 0; i < count; i++) out[i] = YES - out[i]!
  }

/** AND: the least verdict. Stops where nothing is left that a further key could rule out. */
function all(judges: readonly Judge[]): Judge {
  const [first, ...others] = judges
  if (!first) return (rows, out) => fill(rows, out, YES)
  const one = new Uint8Array(SEGMENT_ROWS)
  return (rows, out) => {
    const count = rows.to - rows.from
    first(rows, out)
    for (const judge of others) {
      if (isAll(out, count, NO)) return
      judge(rows, one)
      for (let i = 0; i < count; i++) if (one[i]! < out[i]!) out[i] = one[i]!
    }
  }
}

/** OR: the greatest verdict. */
function any(judges: readonly Judge[]): Judge {
  const [first, ...others] = judges
  if (!first) return (rows, out) => fill(rows, out, NO)
  const one = new Uint8Array(SEGMENT_ROWS)
  return (rows, out) => {
    const count = rows.to - rows.from
    first(rows, out)
    for (const judge of others) {
      if (isAll(out, count, YES)) return
      judge(rows, one)
      for (let i = 0; i < count; i++) if (one[i]! > out[i]!) out[i] = one[i]!
    }
  }
}

function isAll(verdicts: Uint8Array, count: number, verdict: number): boolean {
  for (let i = 0; i < count; i++) if (verdicts[i] !== verdict) return false
  return true
}

/** What the key can come to once everything up to this cost is loaded. */
function verdicts(key: SearchKey, loaded: Cost): { readonly yes: boolean; readonly no: boolean } {
  switch (key.kind) {
    case 'test':
      return { yes: key.cost <= loaded, no: key.cost <= loaded }
    case 'not': {
      const { yes, no } = verdicts(key.key, loaded)
      return { yes: no, no: yes }
    }
    case 'and': {
      const all = key.keys.map((k) => verdicts(k, loaded))
      return { yes: all.every((one) => one.yes), no: all.some((one) => one.no) }
    }
    case 'or': {
      const all = key.keys.map((k) => verdicts(k, loaded))
      return { yes: all.some((one) => one.yes), no: all.every((one) => one.no) }
    }
    default:
      return key satisfies never
  }
}
