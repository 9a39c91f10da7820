/** A client that comes back is told what changed while it was away, and no more. RFC 7162 §3.2.5, §3.2.6. */
import type { ModSeq } from '../store/types.ts'
import { outside, type UidRanges, within } from '../store/uidset.ts'
import type { View } from '../store/view.ts'
import { changedSince } from './fetch/ranges.ts'
import { Bad } from './reply.ts'
import type { Selected } from './selected.ts'
import type { AuthenticatedSession, SelectedSession } from './session.ts'
import { writeChanged, writeVanished } from './sync.ts'
import { type By, type NumberSet, resolveSet, SAVED } from './wire/numset.ts'

export const QRESYNC = 'QRESYNC'

/** What a client remembers of a mailbox. */
export interface Known {
  readonly uidvalidity: number
  readonly modseq: ModSeq
  /** What it has of it; everything if absent. */
  readonly uids?: UidRanges
  /** Some of its sequence numbers, and the UIDs that had them: as many of both, in order. */
  readonly pairs?: { readonly msns: UidRanges; readonly uids: UidRanges; readonly count: number }
}

/** RFC 7162 §3.2.5: BAD before ENABLE QRESYNC. */
export function requireQresync(s: AuthenticatedSession): void {
  if (!s.enabled.has(QRESYNC)) throw new Bad('ENABLE QRESYNC comes first')
}

/** After SELECT's own lines: VANISHED (EARLIER), then FETCH of what changed. Nothing where the mailbox is another one by its UIDVALIDITY. */
export async function resync(s: AuthenticatedSession, selected: Selected, known: Known): Promise<void> {
  const { view, index } = selected
  if (known.uidvalidity !== index.uidvalidity || view.uidnext === 1) return
  const uids = within(known.uids ?? [1, view.uidnext - 1], [1, view.uidnext - 1])
  await writeVanished(s.out, await vanished(s, selected, { uids, since: known.modseq, above: known.pairs ? agreed(view, known.pairs) : 0 }), true)
  await writeChanged(s, selected, changedSince(view, 'uid', uids, known.modseq))
}

/**
 * UID FETCH … (CHANGEDSINCE 5 VANISHED): what is gone of the set, before what changed of it. client: `1:*` means all that it knows, also UIDs above the highest
 * that is left.
 */
export async function tellVanished(s: SelectedSession, { by, set, since }: { by: By; set: NumberSet; since: ModSeq | undefined }): Promise<void> {
  requireQresync(s)
  if (by !== 'uid' || since === undefined) throw new Bad('VANISHED belongs to UID FETCH with CHANGEDSINCE')
  const { uidnext } = s.selected.view
  // `$` names none that are gone.
  if (uidnext === 1 || set === SAVED) return
  const uids = within(resolveSet(set, uidnext - 1), [1, uidnext - 1])
  await writeVanished(s.out, await vanished(s, s.selected, { uids, since, above: 0 }), true)
}

/**
 * Of these UIDs, what went since then. From the log where that reaches back; else all that are not there, which may be more than the client ever knew, but none
 * up to `above`. What the session still counts is none of it: sync tells of that.
 */
async function vanished(
  s: AuthenticatedSession,
  { view, access }: Selected,
  { uids, since, above }: { uids: UidRanges; since: ModSeq; above: number },
): Promise<UidRanges> {
  if (since >= view.modseq) return []
  const logged = await s.store.expungedSince(access, since, view.modseq)
  const candidates = logged ? within(uids, logged) : outside(uids, [1, above])
  return outside(candidates, view.uids('uid', candidates))
}

/** The highest UID up to which the client's numbers are still right, so that nothing it knew below is gone (RFC 7162 §3.2.5.2). */
function agreed(view: View, { msns, uids, count }: NonNullable<Known['pairs']>): number {
  const isRight = (n: number): boolean => view.uidAt(nth(msns, n)) === nth(uids, n)
  let right = 0
  for (let wrong = count + 1; wrong - right > 1; ) {
    const middle = Math.floor((right + wrong) / 2)
    if (isRight(middle)) right = middle
    else wrong = middle
  }
  return right === 0 ? 0 : nth(uids, right)
}

/** The n-th number of the ranges, from 1. */
function nth(ranges: UidRanges, n: number): number {
  let left = n
  for (let i = 0; i < ranges.length; i += 2) {
    const length = ranges[i + 1]! - ranges[i]! + 1
    if (left <= length) return ranges[i]! + left - 1
    left -= length
  }
  return 0
}
