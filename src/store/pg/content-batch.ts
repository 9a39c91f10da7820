/** Contents of one statement as rows, in the order that was asked for. */
import type { ContentColumn, ContentRow } from '../mailstore.ts'
import type { ContentId } from '../types.ts'
import { KeptRows } from './kept.ts'

/** In the order in which they stand in the statement, behind the id. `body` is last, and three fields: how many chunks it has, whether the only one is compressed, its octets. */
export const COLUMNS = ['envelope', 'bodystructure', 'parts', 'preview', 'header'] as const
/** What mail/structure.ts computed, and what was made of that. With one of these each row also says, behind its id, whether an older version of it did. */
export const isOfStructure = (column: ContentColumn): boolean => column !== 'header' && column !== 'body'
const IS_OLD = 1
const [ZSTD, DATA] = [1, 2] as const
const NOTHING = Buffer.alloc(0)

export class ContentBatch implements Iterable<ContentRow> {
  readonly #ids: readonly ContentId[]
  readonly #nths: ReadonlyMap<ContentColumn, number>
  readonly #tellsAge: boolean
  readonly rows = new KeptRows()
  /** What was made of a row after it came, by its place. */
  readonly #made = new Map<ContentColumn, Map<number, Buffer>>()

  constructor(ids: readonly ContentId[], want: readonly ContentColumn[]) {
    this.#ids = ids
    const columns = [...COLUMNS, 'body' as const].filter((column) => want.includes(column))
    this.#tellsAge = want.some(isOfStructure)
    const first = this.#tellsAge ? IS_OLD + 1 : IS_OLD
    this.#nths = new Map(columns.map((column, i) => [column, first + i]))
  }

  /** Rows whose structure an older version made. */
  *old(): Generator<{ readonly n: number; readonly id: ContentId }> {
    if (!this.#tellsAge) return
    for (let n = 0; n < this.rows.count; n++) if (this.rows.bool(n, IS_OLD)) yield { n, id: this.rows.key(n) as ContentId }
  }

  /** Rows without a preview. */
  *unseen(): Generator<{ readonly n: number; readonly id: ContentId }> {
    const nth = this.#nths.get('preview')!
    for (let n = 0; n < this.rows.count; n++)
      if (this.rows.isNull(n, nth) && !this.#made.get('preview')?.has(n)) yield { n, id: this.rows.key(n) as ContentId }
  }

  /** Bodies that are compressed. */
  *packed(): Generator<{ readonly n: number; readonly octets: Buffer }> {
    const nth = this.#nths.get('body')!
    for (let n = 0; n < this.rows.count; n++) if (this.rows.bool(n, nth + ZSTD)) yield { n, octets: this.rows.field(n, nth + DATA)! }
  }

  /** Takes the place of what came. */
  make(column: ContentColumn, n: number, octets: Buffer): void {
    const made = this.#made.get(column) ?? new Map<number, Buffer>()
    this.#made.set(column, made.set(n, octets))
  }

  /** Column of row `n`. */
  column(n: number, column: ContentColumn): Buffer | undefined {
    const nth = this.#nths.get(column)
    if (nth === undefined) return undefined
    const made = this.#made.get(column)?.get(n)
    if (made || column !== 'body') return made ?? this.rows.field(n, nth)
    return this.rows.int(n, nth) === 0 ? NOTHING : this.rows.field(n, nth + DATA)
  }

  *[Symbol.iterator](): Generator<ContentRow> {
    let places: Map<bigint, number> | undefined
    let next = 0
    for (const id of this.#ids) {
      // Most often they come as they were asked for.
      let n: number | undefined = next
      if (next >= this.rows.count || this.rows.key(next) !== id) n = (places ??= this.#places()).get(id)
      if (n === undefined) yield { id, gone: true }
      else {
        next = n + 1
        yield new StoredRow(this, n, id)
      }
    }
  }

  #places(): Map<bigint, number> {
    const places = new Map<bigint, number>()
    for (let n = 0; n < this.rows.count; n++) places.set(this.rows.key(n), n)
    return places
  }
}

/** A row whose columns are looked up when they are asked for. */
class StoredRow implements ContentRow {
  readonly #batch: ContentBatch
  readonly #n: number
  readonly id: ContentId

  constructor(batch: ContentBatch, n: number, id: ContentId) {
    this.#batch = batch
    this.#n = n
    this.id = id
  }

  get envelope(): Buffer | undefined {
    return this.#batch.column(this.#n, 'envelope')
  }
  get bodystructure(): Buffer | undefined {
    return this.#batch.column(this.#n, 'bodystructure')
  }
  get parts(): Buffer | undefined {
    return this.#batch.column(this.#n, 'parts')
  }
  get preview(): Buffer | undefined {
    return this.#batch.column(this.#n, 'preview')
  }
  get header(): Buffer | undefined {
    return this.#batch.column(this.#n, 'header')
  }
  get body(): Buffer | undefined {
    return this.#batch.column(this.#n, 'body')
  }
}
