/**
 * The RFCs that this server is written by: what each is, and what is done of it. docs/protocols.md is made of this table (test/support/protocols-page.ts), and tests hold it to the code: every RFC that a
 * comment names stands here, and every capability that is announced stands under the RFC that it comes from.
 */

import { IMAP } from './imap.ts'
import { MAIL } from './mail.ts'
import type { Rfc } from './rfc.ts'

export type { Rfc, RfcStatus } from './rfc.ts'

export const RFCS: readonly Rfc[] = [...IMAP, ...MAIL].sort((a, b) => a.number - b.number)
