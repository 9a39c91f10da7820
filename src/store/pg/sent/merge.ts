/**
 * APPEND to the mailbox for sent mail of an account that has copies filed: what the server filed already is not there twice. The program is told of the message that is there,
 * which gets the flags of its own. What differs from it, or comes later than MERGE_HOURS, is a message like any other.
 * deviation: RFC 9051 §6.3.12 has the octets and the date of the program; here the message has those of what was sent. It is why this has to be asked for.
 */
import type { MailboxAccess } from '../../access.ts'
import { CHANGE_KINDS, packAppend, packFlags } from '../../change.ts'
import { Refusal } from '../../errors.ts'
import { type Flags, NO_FLAGS, union } from '../../flags.ts'
import type { MailboxIndex } from '../../index.ts'
import type { Appended } from '../../mailstore.ts'
import { MAX_UID, type ModSeq } from '../../types.ts'
import { toRanges } from '../../uidset.ts'
import type { AppendItem } from '../append.ts'
import { adoptSpilled } from '../contents.ts'
import { flagsEffect } from '../effects.ts'
import { isSpilled, land, landings } from '../land.ts'
import type { Queryable } from '../pool.ts'
import { refuseOverQuota } from '../quota.ts'
import { type LockedMailbox, newOp, type Tx } from '../tx.ts'
import { asChange, lockAndCatchUp, type StateWriter, underOp, type Write, type Written, writeAll } from '../write.ts'
import { type CopyKey, copyKey, headLikeness, sameKey } from './likeness.ts'
import { type CopyRow, findCopies, knownIds, MERGE_HOURS, noteCopy } from './rows.ts'

/** How far from now the date of a message may be that was sent just now. Milliseconds. */
const RECENT = MERGE_HOURS * 3_600_000

/** For each message what it may be known by; undefined: none of them can be a copy of what was, or is about to be, sent. */
export type CopyKeys = readonly (CopyKey | undefined)[]

/** `messages` are for the mailbox for sent mail of the account. Reads bodies only where it matters. */
export async function copyKeys(on: Queryable, { account, messages }: AppendItem): Promise<CopyKeys | undefined> {
  const heads = messages.map(({ content }) => headLikeness(content))
  const ids = heads.flatMap((head) => head?.messageId ?? [])
  if (ids.length === 0) return undefined
  const known = await knownIds(on, account, ids)
  const now = Date.now()
  // Old mail that is brought here from elsewhere waits for no message.
  const matters = heads.map((head) => head && (known.has(head.messageId.toString('hex')) || Math.abs((head.date ?? 0) - now) < RECENT))
  if (!matters.includes(true)) return undefined
  const keys: (CopyKey | undefined)[] = []
  for (const [n, { content }] of messages.entries()) keys.push(matters[n] ? await copyKey(on, heads[n]!, content) : undefined)
  return keys
}

export interface Merging {
  readonly item: AppendItem
  readonly keys: CopyKeys
  /** A message that goes in the same transaction: what comes is not merged with it. */
  readonly except?: number
}

/** With the mailbox locked. */
export interface MergingLocked extends Merging {
  readonly m: Pick<MailboxAccess, 'account' | 'mailbox'>
  readonly locked: LockedMailbox
  readonly index: MailboxIndex
  readonly done: Written[]
}

/** APPEND. Refusal 'over-quota', 'limit' (UIDs), 'nonexistent'. */
export async function appendMerged(writer: StateWriter, m: MailboxAccess, what: Merging): Promise<Appended> {
  try {
    return await underOp(writer, m, newOp(), async (tx, done) => {
      const { locked, index } = await lockAndCatchUp(tx, { indexes: writer.indexes, on: m })
      return mergeAppend(tx, { ...what, m, locked, index, done })
    })
  } catch (err) {
    throw err instanceof Refusal && err.reason === 'gone' ? new Refusal('nonexistent', 'the mailbox was deleted') : err
  }
}

/** UIDs of all messages in their order, new or not. */
export async function mergeAppend(tx: Tx, all: MergingLocked): Promise<Appended> {
  const { m, item, keys, index, locked } = all
  const rows = await findCopies(
    tx,
    m.account,
    keys.flatMap((key) => key ?? []),
  )
  const isThere = (row: CopyRow | undefined): row is CopyRow => row !== undefined && row.mailbox === m.mailbox && index.find(row.uid) !== undefined
  const rowOf = (n: number): CopyRow | undefined => (keys[n] ? rows.find((row) => sameKey(row, keys[n]!)) : undefined)
  const uids: number[] = []
  const fresh: number[] = []
  const merged = new Map<number, Flags>()
  for (const [n, { flags }] of item.messages.entries()) {
    const row = rowOf(n)
    const uid = isThere(row) && row.filed && row.recent && row.uid !== all.except ? row.uid : undefined
    if (uid === undefined) fresh.push(n)
    else merged.set(uid, union(merged.get(uid) ?? NO_FLAGS, flags))
    uids.push(uid ?? locked.uidnext + fresh.length - 1)
  }
  const last = fresh.length > 0 ? await append(tx, all, fresh) : locked.modseq
  const given = await writeAll(tx, { on: m, locked, done: all.done }, flagsOf(index, merged))
  for (const n of fresh) {
    const row = rowOf(n)
    // Two copies by programs before the message is accepted: the first is the one that is found then.
    const isElsewhere = !isThere(row) || !row.recent || row.uid === all.except
    if (keys[n] && isElsewhere) await noteCopy(tx, m.account, keys[n], { mailbox: m.mailbox, uid: uids[n]! })
  }
  return { uidvalidity: locked.uidvalidity, uids: toRanges(uids), modseq: given.at(-1) ?? last }
}

/** Those of these numbers. */
async function append(tx: Tx, { m, item, locked, done }: MergingLocked, numbers: readonly number[]): Promise<ModSeq> {
  const messages = numbers.map((n) => item.messages[n]!)
  if (locked.uidnext + messages.length - 1 > MAX_UID) throw new Refusal('limit', 'the mailbox has no UIDs left')
  await refuseOverQuota(
    tx,
    m.account,
    messages.reduce((sum, { content }) => sum + content.size, 0),
  )
  return appendLocked(tx, { ...item, messages }, done)
}

/** To a mailbox that is locked. */
export async function appendLocked(tx: Tx, item: AppendItem, done: Written[]): Promise<ModSeq> {
  // The statement notes an op of its own: this transaction's is noted already, first thing in it.
  const [group] = landings([{ ...item, op: newOp() }], Date.now())
  const [landed] = await land(tx, [group!])
  const { uidvalidity, firstUid, modseq } = landed!
  for (const { content } of item.messages) if (isSpilled(content)) await adoptSpilled(tx, item.account, content)
  const came = { kind: CHANGE_KINDS.append, firstUid, data: packAppend(group!.rows, group!.saved, []) }
  tx.wrote(item, { uidvalidity, modseq, change: came })
  done.push({ on: item, change: asChange(came, modseq) })
  return modseq
}

/** What gives messages flags that they lack. */
export function flagsOf(index: MailboxIndex, given: ReadonlyMap<number, Flags>): Write[] {
  return [...given].flatMap(([uid, add]) => {
    const { changed, unseen } = flagsEffect(index, [uid, uid], { add, remove: NO_FLAGS, added: [] })
    if (changed.length === 0) return []
    const change = { kind: CHANGE_KINDS.flags, firstUid: 0, data: packFlags(changed, add, NO_FLAGS, []) }
    return [{ change, delta: { messages: 0, unseen, bytes: 0, uids: 0, keywords: [] } }]
  })
}
