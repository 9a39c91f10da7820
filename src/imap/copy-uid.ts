/** COPYUID: which UIDs the copies got (RFC 4315 §3). */
import type { Copied } from '../store/mailstore.ts'
import { formatRanges } from '../store/uidset.ts'
import type { Code } from './reply.ts'
import type { Session } from './session.ts'

/** undefined where nothing was copied, or UIDPLUS is not offered. */
export function copyUid(s: Session, copied: Copied | undefined): Code | undefined {
  if (!copied || copied.from.length === 0 || !s.offers('UIDPLUS')) return undefined
  return ['COPYUID', copied.uidvalidity, formatRanges(copied.from), formatRanges(copied.to)]
}
