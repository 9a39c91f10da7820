import type { Session } from './session.ts'
import type { Work } from './work.ts'

export const INPROGRESS = 'INPROGRESS'
/** Octets that wait for a client: it has something to read, and needs no sign of life. */
const ENOUGH = 4 * 1024

/**
 * Tells the client every now and then that its command is being worked on, and how far it is where that is known, for as long as `work` takes. Meanwhile nobody else
 * may write: the notice is a line of its own. RFC 9585 §3.
 */
export async function withProgress<T>(s: Session, tag: string, work: Promise<T>, far?: Pick<Work, 'done' | 'total'>): Promise<T> {
  if (!s.offers(INPROGRESS)) return await work
  const timer = setInterval(() => tell(s, tag, far), s.services.limits.progressTime).unref()
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}

/** A tag has no character that would have to be escaped within quotes. */
function tell({ out }: Session, tag: string, { done, total }: Pick<Work, 'done' | 'total'> = { done: 0, total: 0 }): void {
  if (out.output.queued > ENOUGH) return
  const far = total > 0 ? `${Math.min(done, total - 1)} ${total}` : 'NIL NIL'
  out.untagged().word('OK').wire(`[${INPROGRESS} ("${tag}" ${far})]`).text('Still working').end()
  // Whoever is gone is noticed by the command itself.
  out.flush().catch(() => undefined)
}
