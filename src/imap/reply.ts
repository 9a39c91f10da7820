/** How a command ends, as values: what `run` returns, what may be thrown anywhere, and the one table that turns the store's refusals into codes. */
import type { Refusal, RefusalReason } from '../store/errors.ts'

/** A response code as its words, `['APPENDUID', 7, '3:5']`: written within brackets, no word may hold `]`, CR or LF (RFC 9051 §7.1). */
export type Code = readonly [string, ...(string | number)[]]

/** What a command that succeeded says in its tagged OK. The text is the server's own, never the client's. */
export interface Done {
  readonly ok: string
  readonly code?: Code
  /** Done once this answer is the socket's: what it brings about begins behind it. */
  readonly afterwards?: () => void
}

/** Tagged NO: the command was understood and is not done. */
export class No extends Error {
  readonly code: Code | undefined
  constructor(code: Code | string | undefined, text: string) {
    super(text)
    this.name = 'No'
    this.code = typeof code === 'string' ? [code] : code
  }
}

/** Tagged BAD: the line is no command, or not one of this state. The text never repeats what the client sent. */
export class Bad extends Error {
  readonly code: Code | undefined
  constructor(text: string, code?: Code) {
    super(text)
    this.name = 'Bad'
    this.code = code
  }
}

/** RFC 9586 §3.1: sequence numbers mean nothing in this session. */
export const uidRequired = (): Bad => new Bad('Messages have only UIDs here', ['UIDREQUIRED'])

/** The connection ends here, with `* BYE` and this text. */
export class Bye extends Error {
  constructor(text: string) {
    super(text)
    this.name = 'Bye'
  }
}

/** RFC 5530, RFC 9051 §7.1, RFC 6154 §3 (USEATTR), RFC 5464 §6 (METADATA), RFC 9208 (OVERQUOTA), RFC 7889 (TOOBIG). */
const CODES: Readonly<Record<RefusalReason, Code | string>> = {
  nonexistent: 'NONEXISTENT',
  'already-exists': 'ALREADYEXISTS',
  cannot: 'CANNOT',
  'has-children': 'HASCHILDREN',
  'special-use': 'USEATTR',
  limit: 'LIMIT',
  'too-many-entries': ['METADATA', 'TOOMANY'],
  'over-quota': 'OVERQUOTA',
  'read-only': 'NOPERM',
  'not-permitted': 'NOPERM',
  'in-use': 'INUSE',
  'too-big': 'TOOBIG',
  gone: 'NONEXISTENT',
}

export const refused = (refusal: Refusal): No => new No(CODES[refusal.reason], refusal.message)
