/** One row of the table of RFCs. */

/** full: all of it that a server of our kind does. part: `does` says which. words: its terms, formats or advice are used. */
export type RfcStatus = 'full' | 'part' | 'words'

export interface Rfc {
  readonly number: number
  readonly title: string
  readonly status: RfcStatus
  /** What we do of it. */
  readonly does: string
  /** Capabilities that announce it, as they are written on the wire. */
  readonly imap?: readonly string[]
  readonly pop3?: readonly string[]
  readonly smtp?: readonly string[]
}

export const rfc = (number: number, title: string, status: RfcStatus, does: string, offers: Pick<Rfc, 'imap' | 'pop3' | 'smtp'> = {}): Rfc => ({
  number,
  title,
  status,
  does,
  ...offers,
})
