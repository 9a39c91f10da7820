/** The arguments of SORT and UID SORT. RFC 5256 §5, RFC 5267 §5. */
import { Bad, No } from '../reply.ts'
import type { Tables } from '../tables.ts'
import type { ArgumentReader } from '../wire/read.ts'
import { needFuzzy, orRefusal, readCharset, readCriteria, readReturn, type SearchArgs } from './parse.ts'
import type { Criterion } from './sort.ts'
import type { SortKey } from './sort-keys.ts'

export interface SortArgs extends SearchArgs {
  readonly order: readonly Criterion[]
  /** Scores are told, or decide on the order. */
  readonly scored: boolean
}

/** More than there are keys are of no use. */
const MAX_CRITERIA = 20

/** Throws Bad, and No for too many criteria. */
export function readSort(
  r: ArgumentReader,
  { sortReturns, sortKeys, searchKeys, fetchItems }: Pick<Tables, 'sortReturns' | 'sortKeys' | 'searchKeys' | 'fetchItems'>,
): SortArgs {
  const options = readReturn(r, { searchReturns: sortReturns, fetchItems })
  const order = r.list((inner) => {
    const criteria = [readCriterion(inner, sortKeys)]
    while (inner.more) criteria.push(readCriterion(inner, sortKeys))
    return criteria
  })
  const criteria = orRefusal(r, () => {
    if (order.length > MAX_CRITERIA) throw new No('LIMIT', 'Too many sort criteria')
    readCharset(r)
    return readCriteria(r, searchKeys, true)
  })
  const scored = options?.relevancy === true || order.some(({ key }) => key.kind === 'relevancy')
  if (scored) needFuzzy(criteria)
  return { options, order, criteria, scored }
}

function readCriterion(r: ArgumentReader, known: ReadonlyMap<string, SortKey>): Criterion {
  const reverse = r.maybe('REVERSE')
  const key = known.get(r.word())
  if (!key) throw new Bad('Unknown sort key')
  return { key, reverse }
}
