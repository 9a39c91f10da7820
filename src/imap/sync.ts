/**
 * The one place that reports what happened in the selected mailbox: EXPUNGE, EXISTS, RECENT, new keywords and unsolicited FETCH, for this
 * session's own changes and for others' alike. It runs before a command's tagged line and in IDLE, never in between: so sequence numbers stand
 * still while a command runs (RFC 9051 §5.2, §7.5.1).
 */

import { LineWriter } from '../net/line-writer.ts'
import { Refusal, Unavailable } from '../store/errors.ts'
import { SYSTEM_FLAGS } from '../store/flags.ts'
import { namesWithin } from '../store/rights.ts'
import { formatRanges, normalise, outside, toRanges, type UidRanges } from '../store/uidset.ts'
import type { News, Told } from '../store/view.ts'
import type { SyncLevel } from './command.ts'
import { changedItems, MODSEQ, UID } from './fetch/items.ts'
import { IndexLines } from './fetch/lines.ts'
import { beyond, membership } from './fetch/ranges.ts'
import { FetchRow } from './fetch/row.ts'
import type { Code } from './reply.ts'
import type { Orders, Selected } from './selected.ts'
import type { Session } from './session.ts'
import type { ResponseWriter } from './wire/write.ts'

/** Reports are handed to the socket in pieces of about this size. */
const FLUSH_AT = 64 * 1024
/** First and last UIDs of ranges in one VANISHED. */
const VANISHED_NUMBERS = 1000
/** Messages told between two looks at the queue. */
const TURN_ROWS = 1024

/**
 * How to look for news: `now` and `try` compare with the database, and where that cannot be asked `now` throws Unavailable; `maybe` compares only
 * if the bus was silent for too long; `known` takes what this process knows.
 */
export type Look = 'now' | 'try' | 'maybe' | 'known'

/**
 * Reports what there is to report in the selected mailbox, if any. A session that is told of expunges by UID gets back the code that says up to where it was
 * told of all, for the tagged line (RFC 7162 §3.2.6, §3.2.7): next time it need not ask what it has heard.
 */
export async function sync(session: Session, level: SyncLevel, look: Look, { flags = true } = {}): Promise<Code | undefined> {
  const { selected } = session
  if (!selected || level === 'none') return undefined
  await refresh(selected, look)
  if (!selected.hasNews) {
    selected.takeOrders()
    return undefined
  }
  if (!(await mayHear(selected))) return undefined
  // Who counts by MODSEQ must not be shown a higher one before all lower ones (RFC 7162 §6).
  return await report(session, selected, { expunges: level === 'all', flags: flags || session.reports.modseq })
}

async function refresh(selected: Selected, look: Look): Promise<void> {
  if (look === 'known') return
  try {
    await selected.refresh(look === 'maybe' ? 'maybe' : 'now')
  } catch (error) {
    if (look === 'now' || !(error instanceof Unavailable)) throw error
  }
}

/** Where nobody can say that now, it is told later. */
async function mayHear(selected: Selected): Promise<boolean> {
  try {
    const goesOn = selected.mayGoOn()
    if (goesOn) await goesOn
    return true
  } catch (error) {
    if (error instanceof Refusal || error instanceof Unavailable) return false
    throw error
  }
}

/** Without `flags` those that changed are told with the next command. */
async function report(
  session: Session,
  selected: Selected,
  { expunges, flags }: Readonly<Record<'expunges' | 'flags', boolean>>,
): Promise<Code | undefined> {
  const { out } = session
  const orders = selected.takeOrders()
  // More may go while that is written.
  while (expunges && selected.updates?.losing) await selected.updates.beforeExpunges()
  const known = selected.view.maxUid
  const news = selected.view.pull({ expunges, silent: orders.hidden })
  await writeExpunged(session, news.expunged)
  if (news.exists !== undefined) {
    await claimRecent(selected)
    out.untagged().number(news.exists).word('EXISTS').end()
    if (session.reports.recent) out.untagged().number(selected.countRecent()).word('RECENT').end()
  }
  if (selected.keywords.length > selected.keywordsTold || selected.rightsTold !== selected.access.rights) writeFlags(out, selected)
  if (flags) await writeFetches(session, selected, news.flags, orders)
  else selected.tell(normalise([...orders.told, ...toRanges(news.flags.map(({ segment, row }) => segment.uids[row]!))]))
  const arrived = news.exists === undefined ? [] : [known + 1, selected.view.maxUid]
  await selected.updates?.afterNews(arrived)
  await session.notifier?.arrived(outside(arrived, orders.made))
  if (!session.reports.vanished || !session.reports.modseq) return undefined
  const { settled, modseq } = selected.view
  // While expunges are held back a client must not believe the MODSEQ of what it is shown (RFC 7162 §3.2, §6).
  return settled < modseq || news.expunged.length > 0 || news.exists !== undefined ? ['HIGHESTMODSEQ', settled] : undefined
}

async function writeExpunged({ out, reports }: Session, expunged: News['expunged']): Promise<void> {
  if (reports.vanished) return await writeVanished(out, toRanges(expunged.map(({ uid }) => uid).reverse()))
  for (const { msn } of expunged) {
    out.output.write(`* ${msn} EXPUNGE\r\n`)
    if (out.output.queued >= FLUSH_AT) await out.flush()
  }
}

/** VANISHED, in lines of a length that clients can read. `earlier`: it changes no sequence numbers (RFC 7162 §3.2.10). */
export async function writeVanished(out: ResponseWriter, uids: UidRanges, earlier = false): Promise<void> {
  for (let at = 0; at < uids.length; at += VANISHED_NUMBERS) {
    out.output.write(`* VANISHED ${earlier ? '(EARLIER) ' : ''}${formatRanges(uids.slice(at, at + VANISHED_NUMBERS))}\r\n`)
    if (out.output.queued >= FLUSH_AT) await out.flush()
  }
}

/** UID, flags and modseq of these messages, for a client that comes back (RFC 7162 §3.2.5). */
export async function writeChanged(session: Session, selected: Selected, uids: UidRanges): Promise<void> {
  await writeFetches(session, selected, [], { told: uids, numbered: [] })
}

/** FLAGS and PERMANENTFLAGS: at SELECT, and again when the mailbox got a new keyword (RFC 9051 §7.3.5) or its owner gave or took rights (RFC 4314 §5.1.1). */
export function writeFlags(out: ResponseWriter, selected: Selected): void {
  const names = [...SYSTEM_FLAGS, ...selected.keywords]
  selected.keywordsTold = selected.keywords.length
  out.untagged().word('FLAGS').flags(names).end()
  const { rights } = selected.access
  selected.rightsTold = rights
  const changeable = selected.readOnly ? [] : namesWithin(rights, names)
  const permanent = !selected.readOnly && selected.mayAddKeywords ? [...changeable, '\\*'] : changeable
  out
    .untagged()
    .word('OK')
    .codeFlags('PERMANENTFLAGS', permanent)
    .text(selected.readOnly ? 'Read-only mailbox' : 'Flags permitted')
    .end()
}

/** Nobody minds if \Recent is claimed later, when the database answers again. */
async function claimRecent(selected: Selected): Promise<void> {
  try {
    await selected.claimRecent()
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
  }
}

/** `* 3 FETCH (UID 57 FLAGS (\Seen))`, with the UID always: after a UID command it must be there (RFC 9051 §6.4.9). */
async function writeFetches(
  { out, reports }: Session,
  selected: Selected,
  changed: readonly Told[],
  { told, numbered }: Pick<Orders, 'told' | 'numbered'>,
): Promise<void> {
  if (changed.length === 0 && told.length === 0 && numbered.length === 0) return
  const line = new LineWriter(out.output)
  const row = new FetchRow(selected, reports)
  const named = reports.uids ? [] : [UID]
  const lines = new IndexLines([...named, ...changedItems(reports)], line, row, reports)
  const flush = async (): Promise<void> => {
    line.release()
    if (out.output.queued >= FLUSH_AT) await out.flush()
  }
  const isTold = membership(told)
  const others: number[] = []
  for (const { segment, row, msn } of changed) {
    const uid = segment.uids[row]!
    if (isTold(uid)) continue
    lines.write({ segment, from: row, to: row + 1, msn })
    others.push(uid)
    if (out.output.queued >= FLUSH_AT) await flush()
  }
  await writeSet(selected, told, lines, flush)
  if (numbered.length > 0)
    await writeSet(selected, outside(numbered, toRanges(others)), new IndexLines([...named, MODSEQ], line, row, reports), flush)
  line.release()
}

/** Spans do not outlive an await: each turn begins anew behind the last message that was written. */
async function writeSet({ view }: Selected, uids: UidRanges, lines: IndexLines, flush: () => Promise<void>): Promise<void> {
  for (let rest = uids; rest.length > 0; ) {
    let rows = 0
    let last = 0
    for (const span of view.spans('uid', rest)) {
      lines.write(span)
      last = span.segment.uids[span.to - 1]!
      rows += span.to - span.from
      if (rows >= TURN_ROWS) break
    }
    rest = rows < TURN_ROWS ? [] : beyond(rest, last)
    await flush()
  }
}
