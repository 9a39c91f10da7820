/** A capability that is not one command's: it widens what others do. */
import type { State } from './session.ts'

export interface Extension {
  /** As CAPABILITY says it. */
  readonly capability: string
  readonly rfc: string
  /** In which states it is announced; all of them if absent. */
  readonly announce?: readonly State[]
  /** ENABLE may turn it on (RFC 5161). */
  readonly enable?: boolean
  /** Without it this is no IMAP server. */
  readonly required?: boolean
}

export const extension = (definition: Extension): Extension => definition
