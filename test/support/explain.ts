/** What a prepared statement reads, by Postgres's own EXPLAIN. */
import type { Queryable } from '../../src/store/pg/pool.ts'

interface Node {
  readonly 'Node Type': string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Join Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly Plans?: readonly Node[]
}

/** Of tables and indexes: what a statement has in its hands is not read once more. */
const READS = /^(?:Seq|Index|Index Only|Bitmap Heap|Bitmap Index|Tid|Sample) Scan$/
const readBy = (node: Node): number => {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  const own = READS.test(node['Node Type']) ? (node['Actual Rows'] + removed) * node['Actual Loops'] : 0
  return own + (node.Plans ?? []).reduce((sum, plan) => sum + readBy(plan), 0)
}

let counter = 0
/** Rows that any scan of the prepared statement looks at; it is run for that. */
export async function rowsOf(on: Queryable, statement: string, values: string): Promise<number> {
  let plan = ''
  await on.rows(
    { name: `t_explain_${counter++}`, text: `explain (analyze, timing off, format json) execute ${statement}${values && `(${values})`}` },
    [],
    (row) => {
      plan += row.text()
    },
  )
  return readBy((JSON.parse(plan) as [{ Plan: Node }])[0].Plan)
}
