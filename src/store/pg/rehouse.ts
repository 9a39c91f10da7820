/**
 * Contents on their way to another account (COPY and MOVE between accounts, design of the store: a content belongs to one account). They get new ids there, so none of
 * them can be taken for one that is there already, nor be one that the reaper has found unreferenced and is about to delete. The bytes go from table to table, before
 * any lock; until a message shows them they are unreferenced, and the reaper takes none that is younger than an hour.
 */
import { Unavailable } from '../errors.ts'
import type { MailboxIndex } from '../index.ts'
import type { AccountId } from '../types.ts'
import type { UidRanges } from '../uidset.ts'
import { int8Array } from './arrays.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { newContentId } from './stage.ts'

/** Of one statement: it must end well before a statement's time is over. */
const STEP_CONTENTS = 200
const STEP_BYTES = 16 * 1024 * 1024
/** Well below the hour for which the reaper leaves them alone. Milliseconds. */
const LONGEST = 30 * 60_000
/** Contents that came to the source meanwhile and are copied under lock. */
const MAX_LATE = 100

// Every column as it is, whichever there are, but whose it is, under which id, and since when.
const COPY: Statement = {
  name: 'content_rehouse',
  text: `with g as materialized (select * from unnest($3::int8[], $4::int8[]) g(old_id, new_id)),
         k as (insert into content_chunk (account_id, content_id, seq, raw_size, zstd, data)
           select $2, g.new_id, k.seq, k.raw_size, k.zstd, k.data from g join content_chunk k on k.account_id = $1 and k.content_id = g.old_id)
         insert into content select r.* from g join content c on c.account_id = $1 and c.content_id = g.old_id
           cross join lateral jsonb_populate_record(c, jsonb_build_object('account_id', $2::int8, 'content_id', g.new_id, 'created_at', now())) r`,
}
const COUNT: Statement = { name: 'content_count', text: 'select count(*) from content where account_id = $1 and content_id = any($2::int8[])' }

const tryAgain = (): Unavailable => new Unavailable('messages were lost on their way to another account; try again')

export class Rehousing {
  readonly #from: AccountId
  readonly #to: AccountId
  readonly #ids: Map<bigint, bigint>
  readonly #since: number

  constructor(from: AccountId, to: AccountId, ids = new Map<bigint, bigint>(), since = performance.now()) {
    this.#from = from
    this.#to = to
    this.#ids = ids
    this.#since = since
  }

  /** For an attempt of a transaction: what it adds goes with it. */
  fork(): Rehousing {
    return new Rehousing(this.#from, this.#to, new Map(this.#ids), this.#since)
  }

  /** All contents of these messages, in steps. */
  async prepare(on: Queryable, index: MailboxIndex, uids: UidRanges): Promise<void> {
    // The index moves on while statements run.
    for (const step of steps(new Map([...contentsOf(index, uids)].map(({ content, size }) => [content, size])))) await this.#copy(on, step)
  }

  /** In the transaction, with both mailboxes locked: what came since, and whether all is there. Unavailable if not: nothing was done. */
  async settle(on: Queryable, index: MailboxIndex, uids: UidRanges): Promise<void> {
    const wanted = new Set<bigint>()
    for (const { content } of contentsOf(index, uids)) wanted.add(content)
    const late = [...wanted].filter((content) => !this.#ids.has(content))
    if (late.length > MAX_LATE || performance.now() - this.#since > LONGEST) throw tryAgain()
    await this.#copy(on, late)
    let there = 0
    await on.rows(COUNT, [this.#to, int8Array([...wanted].map((content) => this.idOf(content)))], (row) => {
      there = row.long()
    })
    if (there !== wanted.size) throw tryAgain()
  }

  /** The content's id in its new account. */
  idOf(content: bigint): bigint {
    const id = this.#ids.get(content)
    if (id === undefined) throw new Error('a content was not copied')
    return id
  }

  async #copy(on: Queryable, contents: readonly bigint[]): Promise<void> {
    if (contents.length === 0) return
    const ids = contents.map(() => newContentId())
    await on.rows(COPY, [this.#from, this.#to, int8Array(contents), int8Array(ids)])
    contents.forEach((content, i) => {
      this.#ids.set(content, ids[i]!)
    })
  }
}

/** Each content once, so many at a time that one statement can copy them. */
function* steps(sizes: ReadonlyMap<bigint, number>): Generator<bigint[]> {
  let step: bigint[] = []
  let bytes = 0
  for (const [content, size] of sizes) {
    step.push(content)
    bytes += size
    if (step.length < STEP_CONTENTS && bytes < STEP_BYTES) continue
    yield step
    step = []
    bytes = 0
  }
  if (step.length > 0) yield step
}

function* contentsOf(index: MailboxIndex, uids: UidRanges): Generator<{ readonly content: bigint; readonly size: number }> {
  for (const { segment, from, to } of index.runs(uids))
    for (let row = from; row < to; row++) yield { content: segment.contents[row]!, size: segment.sizes[row]! }
}
