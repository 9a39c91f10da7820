/** APPENDUID: which UIDs the messages got (RFC 4315 §3, RFC 3502 §4). */
import type { Appended } from '../store/mailstore.ts'
import { formatRanges } from '../store/uidset.ts'
import type { Code } from './reply.ts'
import type { Session } from './session.ts'

/** undefined where UIDPLUS is not offered. */
export const appendUid = (s: Session, { uidvalidity, uids }: Appended): Code | undefined =>
  s.offers('UIDPLUS') ? ['APPENDUID', uidvalidity, formatRanges(uids)] : undefined
