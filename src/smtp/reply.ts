/** An SMTP reply that a stage or a policy refuses with. RFC 5321 §4.2, enhanced codes RFC 3463. */
import { Refusal, Unavailable } from '../store/errors.ts'

/** Longest text of a reply line that holds words from elsewhere; RFC 5321 §4.5.3.1.5 allows 512 octets with code and CRLF. */
export const MAX_REPLY_TEXT = 400

/** Thrown anywhere in a handler, rendered in one place: `code enhanced text`. */
export class Reply extends Error {
  readonly responseCode: number
  /** The connection ends after this reply. */
  readonly closes: boolean
  constructor(code: number, enhanced: string, text: string, { closes = false, cause }: { closes?: boolean; cause?: unknown } = {}) {
    super(`${enhanced} ${text}`, cause === undefined ? undefined : { cause })
    this.name = 'Reply'
    this.responseCode = code
    this.closes = closes
  }

  /** As it stands on the wire, without CRLF. */
  get line(): string {
    return `${this.responseCode} ${this.message}`
  }
}

/** Whether a text begins with an enhanced status code, so that none has to be put before it. */
export const hasEnhancedCode = (text: string): boolean => /^[245]\.\d{1,3}\.\d{1,3}(?: |$)/.test(text)

/** Printable ASCII only, spaces for the rest, at most MAX_REPLY_TEXT: words of others may stand in a reply or a log. */
export function sanitise(text: string): string {
  let out = ''
  for (let i = 0; i < text.length && out.length < MAX_REPLY_TEXT; i++) {
    const c = text.charCodeAt(i)
    if (c >= 0x20 && c < 0x7f) out += text[i]
    else if (!out.endsWith(' ')) out += ' '
  }
  return out.trim()
}

export const NO_ROOM = 'No room on the server now, try again later'

/** What the client is told of an error. Anything that is neither a Reply nor the store's word is a fault of ours: 451, and the caller logs it. */
export function replyTo(err: unknown): Reply {
  if (err instanceof Reply) return err
  if (isDiskFull(err)) return new Reply(452, '4.3.1', NO_ROOM, { cause: err })
  if (err instanceof Unavailable) return new Reply(451, '4.3.0', 'The mail store cannot be reached now, try again later', { cause: err })
  if (err instanceof Refusal) {
    if (err.reason === 'too-big') return new Reply(552, '5.3.4', 'The message is too big', { cause: err })
    if (err.reason === 'over-quota') return new Reply(452, '4.2.2', 'The mailbox is full', { cause: err })
    if (err.reason === 'limit') return new Reply(452, '4.3.1', 'A limit of the mailbox is reached', { cause: err })
    return new Reply(451, '4.2.0', 'The mailbox cannot take mail now', { cause: err })
  }
  return new Reply(451, '4.3.0', 'Internal error, try again later', { cause: err })
}

/** ENOSPC of the file system, 53100 (disk_full) and 53200 (out_of_memory) of Postgres, also behind `cause`. */
function isDiskFull(err: unknown, depth = 0): boolean {
  if (!(err instanceof Error) || depth > 4) return false
  const code = 'code' in err ? err.code : undefined
  return code === 'ENOSPC' || code === '53100' || code === '53200' || isDiskFull(err.cause, depth + 1)
}
