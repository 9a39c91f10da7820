/** What POP3's policy `keep` hid, and its end after `keep_days`: by the policy as it is then, and only where nobody has touched the message since. */
import { Refusal } from '../errors.ts'
import { flagsOf } from '../flags.ts'
import type { MailboxIndex } from '../index.ts'
import { HIDDEN, type Pop3Policy, pop3Policy } from '../pop3-policy.ts'
import { type AccountId, MAX_CHANGE_MESSAGES, type MailboxId } from '../types.ts'
import { eachUid, toRanges, type UidRanges } from '../uidset.ts'
import { int8Array } from './arrays.ts'
import { pieces } from './effects.ts'
import { expungeWrites } from './expunge.ts'
import { type PolicyRow, policiesOf } from './policies.ts'
import type { Queryable } from './pool.ts'
import type { Statement } from './rows.ts'
import { newOp, type Tx } from './tx.ts'
import { lockAndCatchUp, type StateWriter, underOp, writeAll } from './write.ts'

/** Messages that one transaction expunges. */
export const EXPIRE_STEP = 1_000

const NOTE: Statement = {
  name: 'hidden_note',
  text: `insert into pop3_hidden (account_id, mid, mailbox_id, uid, app) select $1, mid, $2, uid, $3 from unnest($4::int8[], $5::int8[]) t(mid, uid)
         on conflict (account_id, mid) do update set mailbox_id = excluded.mailbox_id, uid = excluded.uid, app = excluded.app, hidden_at = excluded.hidden_at`,
}

/** These messages were hidden now, in this transaction, by a session that had logged in with the app password `app`. */
export async function noteHidden(tx: Tx, index: MailboxIndex, uids: UidRanges, app: string): Promise<void> {
  for (const piece of pieces(uids, MAX_CHANGE_MESSAGES)) {
    const mids: number[] = []
    for (const { segment, from, to } of index.runs(piece)) for (let row = from; row < to; row++) mids.push(segment.mids[row]!)
    await tx.rows(NOTE, [index.account, index.mailbox, app, int8Array(mids), int8Array([...eachUid(piece)])])
  }
}

const NEXT_ACCOUNT: Statement = {
  name: 'hidden_next_account',
  text: `select n.account_id, coalesce(a.enabled, false), coalesce(a.pop3_policy, ''), coalesce(a.pop3, '{}')::text, coalesce(a.app_passwords, '[]')::text
         from (select min(account_id) as account_id from pop3_hidden where account_id > $1) n left join account a on a.account_id = n.account_id
         where n.account_id is not null`,
}
const DUE = `h.account_id = $1 and (h.app = any ($2::text[])) = $3 and h.hidden_at < now() - make_interval(days => $4)`
const PLACES: Statement = {
  name: 'hidden_places',
  text: `select distinct h.mailbox_id from pop3_hidden h join mailbox m on m.account_id = h.account_id and m.id = h.mailbox_id and m.deleted_at is null where ${DUE}`,
}
const TAKE: Statement = {
  name: 'hidden_take',
  text: `delete from pop3_hidden where account_id = $1 and mid in (select mid from pop3_hidden h where ${DUE} and h.mailbox_id = $5 order by h.hidden_at limit $6)
         returning uid`,
}

/** Of an account: what these app passwords hid, or with `others` all that they did not. */
interface Due {
  readonly account: AccountId
  readonly apps: readonly string[]
  readonly others: boolean
  readonly days: number
}

/** One round over all accounts that have something hidden. Several processes may be at it: what is expunged is taken from the list in the same transaction. */
export async function expireHidden(on: Queryable, writer: StateWriter, goOn: () => boolean): Promise<number> {
  let expunged = 0
  let failed: unknown
  for (let account = 0 as AccountId | undefined; account !== undefined && goOn(); ) {
    const next = await nextAccount(on, account)
    account = next?.account
    for (const due of next?.enabled ? dueOf(next) : [])
      for (const mailbox of await placesOf(on, due))
        try {
          expunged += await expireIn(writer, { ...due, mailbox }, goOn)
        } catch (err) {
          // No reason to leave out the others. A mailbox that was deleted since has nothing left to expunge.
          if (!(err instanceof Refusal)) failed ??= err
        }
  }
  if (failed !== undefined) throw failed
  return expunged
}

async function nextAccount(on: Queryable, after: AccountId): Promise<PolicyRow | undefined> {
  let next: PolicyRow | undefined
  await on.rows(NEXT_ACCOUNT, [after], (row) => {
    next = policiesOf(row)
  })
  return next
}

/** Of an app password without a policy of its own, or that is there no more, the account's counts. */
function dueOf({ account, policy, apps }: PolicyRow): Due[] {
  const own = apps.filter(({ pop3 }) => pop3 !== undefined)
  const names = own.map(({ name }) => name)
  const due = (days: Pop3Policy['keepDays'], which: Pick<Due, 'apps' | 'others'>): Due[] => (days === undefined ? [] : [{ account, days, ...which }])
  return [
    ...due(policy.keepDays, { apps: names, others: true }),
    ...own.flatMap(({ name, pop3 }) => due(pop3Policy(pop3!, policy).keepDays, { apps: [name], others: false })),
  ]
}

async function placesOf(on: Queryable, { account, apps, others, days }: Due): Promise<MailboxId[]> {
  const places: MailboxId[] = []
  await on.rows(PLACES, [account, [...apps], !others, days], (row) => places.push(row.int() as MailboxId))
  return places
}

async function expireIn(writer: StateWriter, due: Due & { readonly mailbox: MailboxId }, goOn: () => boolean): Promise<number> {
  const { account, mailbox, apps, others, days } = due
  let expunged = 0
  for (let taken = EXPIRE_STEP; taken === EXPIRE_STEP && goOn(); ) {
    const step = await underOp(writer, due, newOp(), async (tx, done) => {
      const { locked, index } = await lockAndCatchUp(tx, { indexes: writer.indexes, on: { account, mailbox } })
      const listed: number[] = []
      await tx.rows(TAKE, [account, [...apps], !others, days, mailbox, EXPIRE_STEP], (row) => listed.push(row.long()))
      const uids = stillHidden(index, listed)
      await writeAll(tx, { on: due, locked, done }, expungeWrites(index, toRanges(uids)))
      return [listed.length, uids.length] as const
    })
    taken = step[0]
    expunged += step[1]
  }
  return expunged
}

/** Those that are still there, and whose keyword nobody took off. A UID is never another message's. */
function stillHidden(index: MailboxIndex, uids: readonly number[]): number[] {
  const { flags, unknown } = flagsOf([HIDDEN], index.keywords)
  if (unknown.length > 0) return []
  const isHidden = (uid: number): boolean => {
    const place = index.find(uid)
    return place !== undefined && ((place.segment.lo[place.row]! & flags.lo) !== 0 || (place.segment.hi[place.row]! & flags.hi) !== 0)
  }
  return uids.filter(isHidden).sort((a, b) => a - b)
}
