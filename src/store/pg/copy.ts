/**
 * COPY and MOVE. Within an account no bytes are copied: the target gets an append whose rows name the same contents. Between accounts the contents are copied first
 * (rehouse.ts). Both mailboxes are locked, the source too for a COPY: the reaper may only take a content that no locked mailbox can still hand on.
 */
import { type AppendRow, CHANGE_KINDS, packAppend } from '../change.ts'
import type { Columns } from '../columns.ts'
import { Refusal } from '../errors.ts'
import { type Flags, flagNames, flagsOf, MAX_KEYWORDS, SEEN } from '../flags.ts'
import type { MailboxIndex } from '../index.ts'
import type { Copied } from '../mailstore.ts'
import { flagsWithin } from '../rights.ts'
import { MAX_CHANGE_MESSAGES, MAX_UID } from '../types.ts'
import { ascending, type UidRanges } from '../uidset.ts'
import { type Both, inBoth, type LockedBoth } from './both.ts'
import { maskFor, pieces, rowsEffect } from './effects.ts'
import { expungeWrites } from './expunge.ts'
import type { Queryable } from './pool.ts'
import { refuseOverQuota } from './quota.ts'
import { Rehousing } from './rehouse.ts'
import { takeBack } from './sent/take-back.ts'
import { nextModSeq, type Tx } from './tx.ts'
import { asChange, type StateWriter, writeAll } from './write.ts'

export interface Transfer extends Both {
  readonly uids: UidRanges
  readonly move: boolean
}

/** The caller has asked for the rights to both. */
export async function transfer({ pool, writer }: { pool: Queryable; writer: StateWriter }, what: Transfer): Promise<Copied> {
  const rehousing = what.from.account === what.to.account ? undefined : await rehoused(pool, writer.indexes, what)
  return inBoth(writer, what, (tx, locked) => write(tx, { ...what, ...locked, rehousing: rehousing?.fork() }))
}

/** The contents in their new account, before any lock. */
async function rehoused(pool: Queryable, indexes: StateWriter['indexes'], { from, to, uids }: Transfer): Promise<Rehousing> {
  const index = await indexes.get(from)
  await refuseOverQuota(pool, to.account, rowsEffect(index, uids, false).bytes)
  const rehousing = new Rehousing(from.account, to.account)
  await rehousing.prepare(pool, index, uids)
  return rehousing
}

export interface Writing extends Transfer, LockedBoth {
  readonly rehousing?: Rehousing | undefined
  /** Of `uids`: those that get \\Seen on their way. */
  readonly seen?: UidRanges
}

/** Within the transaction that holds both mailboxes. */
export async function write(tx: Tx, all: Writing): Promise<Copied> {
  const { from, to, index, source, target, move, done, rehousing, seen = [] } = all
  const { uids, count, bytes } = rowsEffect(index, all.uids, false)
  if (count === 0) return { uidvalidity: target.uidvalidity, from: [], to: [] }
  if (target.uidnext + count - 1 > MAX_UID) throw new Refusal('limit', 'the mailbox has no UIDs left')
  if (!move || rehousing) await refuseOverQuota(tx, to.account, bytes)
  await rehousing?.settle(tx, index, uids)
  const making: Making = {
    translate: keywordTranslator(index.keywords, target.keywords),
    within: flagsWithin(to.rights),
    keepMid: move && !rehousing,
    contentOf: (content) => rehousing?.idOf(content) ?? content,
    isSeen: ascending(seen),
  }
  let firstUid = target.uidnext
  for (const piece of pieces(uids, MAX_CHANGE_MESSAGES)) {
    const { rows, unseen, size } = rowsOf(index, piece, making)
    const keywords = making.translate.takeAdded()
    const change = { kind: CHANGE_KINDS.append, firstUid, data: packAppend(rows, Date.now(), keywords) }
    const modseq = await nextModSeq(tx, target, change, { messages: rows.length, unseen, bytes: size, uids: rows.length, keywords })
    done.push({ on: to, change: asChange(change, modseq) })
    firstUid += rows.length
  }
  if (move) await writeAll(tx, { on: from, locked: source, done }, expungeWrites(index, uids))
  if (move && source.holds && from.own && !rehousing && to.mailbox !== from.mailbox) await takeBack(tx, source, uids, to.mailbox)
  return { uidvalidity: target.uidvalidity, from: uids, to: [target.uidnext, firstUid - 1] }
}

/** How a row of the source becomes one of the target. */
interface Making {
  readonly translate: Translator
  /** Flags that may be set in the target; others are left behind (RFC 4314 §4). */
  readonly within: Flags
  /** A mid is of one account. */
  readonly keepMid: boolean
  readonly contentOf: (content: bigint) => bigint
  /** Asked in the order of the UIDs. */
  readonly isSeen: (uid: number) => boolean
}

function rowsOf(index: MailboxIndex, uids: UidRanges, making: Making): { rows: AppendRow[]; unseen: number; size: number } {
  const rows: AppendRow[] = []
  let unseen = 0
  let size = 0
  for (const { segment, from, to } of index.runs(uids)) {
    for (let row = from; row < to; row++) {
      const made = rowOf(segment, row, making)
      rows.push(made)
      if (!(made.flags.lo & SEEN)) unseen++
      size += segment.sizes[row]!
    }
  }
  return { rows, unseen, size }
}

const rowOf = (segment: Columns, row: number, { translate, within, keepMid, contentOf, isSeen }: Making): AppendRow => ({
  content: contentOf(segment.contents[row]!),
  date: segment.dates[row]!,
  size: segment.sizes[row]!,
  flags: translate.flags(((segment.lo[row]! & within.lo) | (isSeen(segment.uids[row]!) ? SEEN : 0)) >>> 0, (segment.hi[row]! & within.hi) >>> 0),
  mid: keepMid ? segment.mids[row]! : 0,
})

interface Translator {
  flags(lo: number, hi: number): { lo: number; hi: number }
  /** Keywords of the target that are new since the last call. */
  takeAdded(): readonly string[]
}

/** Flags by name: a keyword has another slot in each mailbox. One that finds no slot in the target is left behind rather than the message. */
function keywordTranslator(from: readonly string[], to: readonly string[]): Translator {
  const cache = new Map<string, { lo: number; hi: number }>()
  const known = [...to]
  let added: string[] = []
  return {
    flags(lo, hi) {
      if (lo < 32 && hi === 0) return { lo, hi }
      const key = `${lo}/${hi}`
      let flags = cache.get(key)
      if (!flags) {
        const names = flagNames({ lo, hi }, from)
        const { unknown } = flagsOf(names, known)
        const fits = unknown.slice(0, MAX_KEYWORDS - known.length)
        flags = maskFor(
          names.filter((name) => !unknown.includes(name) || fits.includes(name)),
          known,
        ).flags
        known.push(...fits)
        added.push(...fits)
        cache.set(key, flags)
      }
      return flags
    },
    takeAdded() {
      const taken = added
      added = []
      return taken
    },
  }
}
