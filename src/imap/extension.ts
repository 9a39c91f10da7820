/** A capability that is not one command's: it widens what others do. */
import type { ImapLimits } from './limits.ts'
import type { Reports } from './reports.ts'
import type { Session, State } from './session.ts'
import type { Tables } from './tables.ts'

export interface Extension {
  /** As CAPABILITY says it. */
  readonly capability: string
  readonly rfc: string
  /** In which states it is announced; all of them if absent. */
  readonly announce?: readonly State[]
  /** How CAPABILITY writes it where that holds a value: `APPENDLIMIT=52428800`. */
  readonly shown?: (limits: ImapLimits) => string
  /** ENABLE may turn it on (RFC 5161), and these with it. */
  readonly enable?: boolean | readonly string[]
  /** How changes are told once it is on. */
  readonly reports?: Partial<Reports>
  /** Called when it is turned on; no line is under way. */
  readonly begun?: (session: Session) => void
  /** Capabilities without which this one is not there either. */
  readonly needs?: readonly string[]
  /** Only there where the configuration asks for it. */
  readonly onRequest?: boolean
  /** Rows for the tables that commands read by. */
  readonly adds?: Partial<Tables>
  /** Without it this is no IMAP server. */
  readonly required?: boolean
}

export const extension = (definition: Extension): Extension => definition
