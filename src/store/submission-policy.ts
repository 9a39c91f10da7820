/** What the server does with what an account sends. */

export interface SubmissionPolicy {
  /** A copy of it is put into the account's mailbox for sent mail. */
  readonly sentCopy: boolean
  /** Seconds that it waits before it goes, so that it can be taken back; 0: none. */
  readonly undoSend: number
}

export const DEFAULT_SUBMISSION: SubmissionPolicy = { sentCopy: false, undoSend: 0 }

/** What a config file says of it: the rest is as in `under`. */
export type SubmissionSettings = Partial<SubmissionPolicy>

/** `over` where it says something. */
export const submissionPolicy = (over: SubmissionSettings, under: SubmissionPolicy = DEFAULT_SUBMISSION): SubmissionPolicy => ({ ...under, ...over })
