/** How a session is told of changes: as IMAP4rev1 has it, until the client enables more (RFC 5161). */
export interface Reports {
  /** MODSEQ in every FETCH that the client did not ask for (RFC 7162 §3.1). */
  readonly modseq: boolean
  /** VANISHED for EXPUNGE, and HIGHESTMODSEQ once all is told up to there (RFC 7162 §3.2). */
  readonly vanished: boolean
}

export const REV1_REPORTS: Reports = { modseq: false, vanished: false }
