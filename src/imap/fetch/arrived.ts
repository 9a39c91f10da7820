/** FETCH of new messages that a client asked for in advance, by NOTIFY or UPDATE. RFC 5465 §5.2, §7. */
import { Unavailable } from '../../store/errors.ts'
import type { UidRanges } from '../../store/uidset.ts'
import type { AuthenticatedSession } from '../session.ts'
import type { FetchItem } from './item.ts'
import { MODSEQ, UID } from './items.ts'
import { runFetch } from './run.ts'

/** With the UID always, and MODSEQ where that is on: no command asks for it (RFC 7162 §3.2.4). Where nothing can be read the client has heard of them by EXISTS, and may ask. */
export async function fetchArrived(s: AuthenticatedSession, uids: UidRanges, items: readonly FetchItem[]): Promise<void> {
  const { selected, store, out, log, reports } = s
  if (items.length === 0 || uids.length === 0 || !selected) return
  const always = [...(reports.uids ? [] : [UID]), ...(reports.modseq ? [MODSEQ] : [])].filter((item) => !items.includes(item))
  try {
    await runFetch({ store, selected, output: out.output, log, reports }, { by: 'uid', ranges: uids, items: [...always, ...items] })
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
  }
}
