/** POP3 unique-ids that came with a message from another server: read at login, written by an import, forgotten with the message. */
import type { MailboxIndex } from '../index.ts'
import type { ImportedUidls } from '../mailstore.ts'
import type { AccountId, MailboxId, Mid } from '../types.ts'
import { int8Array } from './arrays.ts'
import { loadIndex, type SnapshotCache } from './load.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { findOwn } from './status.ts'

const ALL: Statement = { name: 'uidl_all', text: 'select mid, uidl from pop_uidl where account_id = $1 order by mid' }

/** In two columns: there may be hundreds of thousands, and a Map of numbers that large takes ten times as long. */
export class Uidls implements ImportedUidls {
  readonly #mids: number[] = []
  readonly #uidls: string[] = []

  /** In the order of mids. */
  push(mid: number, uidl: string): void {
    this.#mids.push(mid)
    this.#uidls.push(uidl)
  }

  get size(): number {
    return this.#mids.length
  }

  of(mid: number): string | undefined {
    let low = 0
    let high = this.#mids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#mids[middle]! < mid) low = middle + 1
      else high = middle
    }
    return this.#mids[low] === mid ? this.#uidls[low] : undefined
  }

  *entries(): Generator<readonly [mid: number, uidl: string]> {
    for (const [i, mid] of this.#mids.entries()) yield [mid, this.#uidls[i]!]
  }
}

/** Of all messages of the account that have one. */
export async function importedUidls(on: Queryable, account: AccountId): Promise<Uidls> {
  const uidls = new Uidls()
  await on.rows(ALL, [account], (row) => uidls.push(row.long(), row.text()))
  return uidls
}

const THERE: Statement = { name: 'uidl_there', text: "select 1 where to_regclass('pop_uidl') is not null" }

/** Whether the schema knows of imported unique-ids. */
export const hasUidls = async (on: Queryable): Promise<boolean> => (await on.rows(THERE, [])) > 0

const ACCOUNT: Statement = { name: 'uidl_account', text: 'select account_id from account where address = $1' }

export async function accountOf(on: Queryable, address: string): Promise<AccountId | undefined> {
  let account: AccountId | undefined
  await on.rows(ACCOUNT, [address], (row) => {
    account = row.long() as AccountId
  })
  return account
}

/** A message as an import sees it. */
export interface Candidate {
  readonly mid: Mid
  /** 32 octets. */
  readonly sha256: Buffer
}

/** Contents that one statement asks for. */
const STEP = 5_000
const DIGESTS: Statement = {
  name: 'uidl_digests',
  text: 'select content_id, sha256 from content where account_id = $1 and content_id = any ($2::int8[])',
}

/** All messages of one of the account's mailboxes, in the order of their UIDs, as it stands now. undefined: there is no such mailbox. */
export async function candidatesIn(pool: Pool, account: AccountId, name: string): Promise<AsyncIterable<Candidate> | undefined> {
  const mailbox = await findOwn(pool, account, name)
  return mailbox === undefined ? undefined : digestsOf(pool, await indexOf(pool, account, mailbox))
}

const NO_CACHE: SnapshotCache = {
  snapshots: { shared: false, get: async () => undefined, put: () => {}, close: async () => {} },
  key: Buffer.alloc(0),
}
const indexOf = (pool: Pool, account: AccountId, mailbox: MailboxId): Promise<MailboxIndex> => loadIndex(pool, NO_CACHE, account, mailbox)

async function* digestsOf(pool: Pool, index: MailboxIndex): AsyncGenerator<Candidate> {
  const rows = index.segments.flatMap((segment) => Array.from({ length: segment.count }, (_, row) => ({ segment, row })))
  for (let at = 0; at < rows.length; at += STEP) {
    const step = rows.slice(at, at + STEP)
    const digests = new Map<bigint, Buffer>()
    await pool.rows(DIGESTS, [index.account, int8Array(step.map(({ segment, row }) => segment.contents[row]!))], (row) =>
      digests.set(row.bigint(), Buffer.from(row.bytes()!)),
    )
    for (const { segment, row } of step) {
      const sha256 = digests.get(segment.contents[row]!)
      if (sha256) yield { mid: segment.mids[row]! as Mid, sha256 }
    }
  }
}

const GIVE: Statement = {
  name: 'uidl_give',
  text: `with a as (update account set has_pop_uidl = true where account_id = $1 and not has_pop_uidl)
         insert into pop_uidl (account_id, mid, uidl) select $1, mid, uidl from unnest($2::int8[], $3::text[]) t(mid, uidl) on conflict do nothing returning mid`,
}

/** Gives each message its unique-id, unless it has one or another message of the account has that. Which got theirs. */
export async function giveUidls(
  on: Queryable,
  account: AccountId,
  uidls: readonly { readonly mid: Mid; readonly uidl: string }[],
): Promise<Set<number>> {
  const given = new Set<number>()
  await on.rows(GIVE, [account, int8Array(uidls.map(({ mid }) => mid)), uidls.map(({ uidl }) => uidl)], (row) => given.add(row.long()))
  return given
}
