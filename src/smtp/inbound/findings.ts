/** What is found out about who sent a message. Results are the words of RFC 8601 §2.7. */

export interface SpfFinding {
  readonly result: string
  readonly comment?: string
  /** What was asked for: the domain of MAIL FROM, or the name in EHLO where that is empty (RFC 7208 §2.4). */
  readonly identity: 'smtp.mailfrom' | 'smtp.helo'
  readonly domain: string
}

export interface DkimFinding {
  readonly result: string
  /** Why. */
  readonly comment?: string | undefined
  readonly domain: string
  readonly selector: string
  readonly algorithm: string
  /** b=, its beginning (RFC 6008). */
  readonly signature: string
}

export interface ArcFinding {
  readonly result: string
  readonly comment?: string | undefined
  /** The newest first. */
  readonly sets: readonly ArcSet[]
}

/** One ARC set: who sealed, and what he says that he found. */
export interface ArcSet {
  readonly sealer: string
  readonly dmarc: { readonly result: string; readonly from: string | undefined } | undefined
}

export interface DmarcFinding {
  readonly result: 'none' | 'pass' | 'fail' | 'temperror' | 'permerror'
  readonly comment?: string | undefined
  /** Absent where no single domain wrote it. */
  readonly from?: string | undefined
  /** What that domain asks for. */
  readonly policy: 'none' | 'quarantine' | 'reject'
}

export interface Findings {
  readonly spf: SpfFinding
  readonly dkim: readonly DkimFinding[]
  /** Signatures that were not looked at. */
  readonly ignored: number
  readonly arc: ArcFinding
  readonly dmarc: DmarcFinding
}

/** Of a message at which the check itself fails: it is made to, or unlucky. */
export const UNCHECKED: Findings = {
  spf: { result: 'temperror', identity: 'smtp.mailfrom', domain: '' },
  dkim: [],
  ignored: 0,
  arc: { result: 'none', sets: [] },
  dmarc: { result: 'permerror', comment: 'it could not be checked', policy: 'none' },
}
