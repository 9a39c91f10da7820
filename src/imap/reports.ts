/** How a session is spoken to: as IMAP4rev1 has it, until the client enables more (RFC 5161). */
export interface Reports {
  /** MODSEQ in every FETCH that the client did not ask for (RFC 7162 §3.1). */
  readonly modseq: boolean
  /** VANISHED for EXPUNGE, and HIGHESTMODSEQ once all is told up to there (RFC 7162 §3.2). */
  readonly vanished: boolean
  /** RECENT, and \Recent among the flags (RFC 3501 §7.3.2); IMAP4rev2 has neither. */
  readonly recent: boolean
  /** Text goes as UTF-8 both ways, mailbox names too (RFC 9755 §3, RFC 9051 §5.1). */
  readonly utf8: boolean
  /** SEARCH is answered by ESEARCH, asked for or not, SELECT says LIST of the mailbox, and BODYSTRUCTURE shows what a message/global holds (RFC 9051 §6.4.4, §6.3.2, §7.5.2). */
  readonly rev2: boolean
  /** UIDFETCH, and no sequence numbers at all (RFC 9586). */
  readonly uids: boolean
}

export const REV1_REPORTS: Reports = { modseq: false, vanished: false, recent: true, utf8: false, rev2: false, uids: false }
