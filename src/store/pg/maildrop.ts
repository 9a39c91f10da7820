/**
 * POP3's UPDATE state (RFC 1939 §6): all that a session's policy says of what it took, in one transaction that its lease fences. What IMAP moved or expunged meanwhile
 * has no row with that UID any more, and is passed over.
 */
import { grantMailbox, type MailboxAccess } from '../access.ts'
import { Refusal } from '../errors.ts'
import { ALL_FLAGS } from '../flags.ts'
import type { MailboxIndex } from '../index.ts'
import type { Lease } from '../lease.ts'
import type { MaildropOp, MaildropSettled } from '../mailstore.ts'
import { type Fate, fateOf, HIDDEN } from '../pop3-policy.ts'
import { countUids, outside, type UidRanges } from '../uidset.ts'
import { lockBoth } from './both.ts'
import { write as transfer } from './copy.ts'
import { rowsEffect } from './effects.ts'
import { expungeWrites } from './expunge.ts'
import { flagsWrites } from './flags.ts'
import { noteHidden } from './hidden.ts'
import type { Statement } from './rows.ts'
import { takeBack } from './sent/take-back.ts'
import { mailboxOfUse } from './special-use.ts'
import { newOp, type Tx } from './tx.ts'
import { lockAndCatchUp, type StateWriter, underOp, type Write, type Written, writeAll } from './write.ts'

/** The mailbox that messages go to may be deleted while it is being locked. */
const TRIES = 3

const NOTHING: MaildropSettled = { expunged: 0, hidden: 0, moved: 0, seen: 0 }

/** The caller has asked for the rights. */
export async function settleMaildrop(writer: StateWriter, m: MailboxAccess, op: MaildropOp): Promise<MaildropSettled> {
  const fate = fateOf(op.policy, op)
  if (fate.taken.length === 0 && fate.seen.length === 0) return NOTHING
  for (let tries = 1; ; tries++) {
    try {
      return await underOp(writer, m, newOp(), (tx, done) => settle(tx, { ...fate, m, writer, op, done }))
    } catch (err) {
      if (!(err instanceof Refusal && err.reason === 'nonexistent') || tries >= TRIES) throw err
    }
  }
}

interface Settling extends Fate {
  readonly m: MailboxAccess
  readonly writer: StateWriter
  readonly op: MaildropOp
  readonly done: Written[]
}

function settle(tx: Tx, settling: Settling): Promise<MaildropSettled> {
  const { how } = settling
  return how === 'expunge' || how === 'hide' ? settleHere(tx, settling, how) : settleElsewhere(tx, settling, how)
}

async function settleElsewhere(tx: Tx, settling: Settling, use: '\\Trash' | '\\Archive'): Promise<MaildropSettled> {
  const { m, writer, op, done, taken, seen } = settling
  const place = await mailboxOfUse(tx, m.account, use)
  // What is thrown away in the Trash is gone; what is in the Archive is where it should be, but POP3's user wants to see it no more.
  if (place === m.mailbox) return settleHere(tx, settling, use === '\\Trash' ? 'expunge' : 'hide')
  const to = grantMailbox(m.by, place, true)
  const locked = await lockBoth(tx, writer.indexes, { from: m, to })
  await holdFence(tx, op.fence)
  const moved = await transfer(tx, { from: m, to, uids: taken, move: true, ...locked, done, seen })
  return { ...NOTHING, moved: countUids(moved.from), seen: rowsEffect(locked.index, seen, false).unseen }
}

async function settleHere(tx: Tx, { m, writer, op, done, taken, seen }: Settling, how: 'expunge' | 'hide'): Promise<MaildropSettled> {
  const { locked, index } = await lockAndCatchUp(tx, { indexes: writer.indexes, on: m })
  await holdFence(tx, op.fence)
  const { uids, count } = rowsEffect(index, taken, false)
  const read = giving(index, how === 'hide' ? seen : outside(seen, taken), '\\Seen')
  const going = how === 'hide' ? giving(index, uids, HIDDEN).writes : expungeWrites(index, uids)
  await writeAll(tx, { on: m, locked, done }, [...read.writes, ...going])
  if (how === 'expunge' && locked.holds) await takeBack(tx, locked, uids)
  if (how === 'hide' && op.policy.afterDownload === 'keep') await noteHidden(tx, index, uids, op.app ?? '')
  return { ...NOTHING, [how === 'hide' ? 'hidden' : 'expunged']: count, seen: read.count }
}

/** Changes that give a flag to those that do not have it, and how many these are. */
function giving(index: MailboxIndex, uids: UidRanges, name: string): { readonly writes: Write[]; readonly count: number } {
  const { writes, effect } = flagsWrites(index, uids, { op: { mode: 'add', names: [name] }, within: ALL_FLAGS })
  return { writes, count: effect.count }
}

// One that ran out and that nobody took is still its holder's, as for its renewal (lease.ts): whoever takes it gives it another epoch.
const FENCE: Statement = {
  name: 'lease_fence',
  text: "select 1 from lease where account_id = $1 and mailbox_id = $2 and owner = $3 and epoch = $4 and expires_at > '-infinity' for update",
}

/** Under the lock of the mailbox, so that whoever takes the lease next finds all of it done or nothing. */
async function holdFence(tx: Tx, lease: Lease): Promise<void> {
  const held = await tx.rows(FENCE, [lease.account, lease.mailbox, lease.owner, lease.epoch])
  if (held === 0) throw new Refusal('gone', 'another session has taken the maildrop over, nothing was changed')
}
