/**
 * What old versions of Outlook hang at, for those whose policy says `outlookRepairs`: a NUL, and a message without a blank line behind its header. A NUL becomes
 * 0x80, so that no size changes; client: Dovecot's outlook-no-nuls does the same. The blank line counts in STAT, LIST and RETR, so a login has to know which
 * messages lack one: that is looked up for whole accounts and remembered, and only of what came since is it asked again.
 */
import type { MailboxAccess } from '../store/access.ts'
import type { MailStore } from '../store/mailstore.ts'
import type { AccountId, ContentId } from '../store/types.ts'

export const BLANK_LINE = Buffer.from('\r\n')
const INSTEAD_OF_NUL = 0x80
const LF = 10

/** The octets of a message without NUL; `mended`: it is all header, and a blank line comes behind that. */
export async function* repaired(octets: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, mended: boolean): AsyncGenerator<Uint8Array> {
  let last = LF
  for await (const piece of octets) {
    if (piece.length > 0) last = piece[piece.length - 1]!
    yield piece.includes(0) ? withoutNul(piece) : piece
  }
  if (!mended) return
  if (last !== LF) yield BLANK_LINE
  yield BLANK_LINE
}

/** In memory of its own: others may be reading the same octets. */
function withoutNul(piece: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(piece)
  for (let at = copy.indexOf(0); at >= 0; at = copy.indexOf(0, at + 1)) copy[at] = INSTEAD_OF_NUL
  return copy
}

/** Accounts of which it is remembered, and messages of one; of an account with more of them it is asked at each login. */
const MAX_ACCOUNTS = 1_000
const MAX_REMEMBERED = 10_000
/** Ids begin with the time at which a message began to come (store/pg/stage.ts), and one may take a while to arrive: a day of them is asked for again. */
const DAY_MS = 86_400_000
const idAt = (ms: number): ContentId => (BigInt(Math.max(0, ms)) << 21n) as ContentId

interface Known {
  readonly upTo: ContentId
  readonly ids: ReadonlySet<ContentId>
}

export interface BlankLines {
  /** The messages of the mailbox's account that lack one. */
  lackingIn(mailbox: MailboxAccess): Promise<ReadonlySet<ContentId>>
}

export function createBlankLines(store: Pick<MailStore, 'withoutBlankLine'>, now = () => Date.now()): BlankLines {
  const accounts = new Map<AccountId, Known>()
  return {
    async lackingIn(mailbox) {
      const { account } = mailbox
      const known = accounts.get(account)
      const found = await store.withoutBlankLine(mailbox, known?.upTo ?? (0n as ContentId))
      const ids = new Set([...(known?.ids ?? []), ...found.ids])
      accounts.delete(account)
      if (ids.size > MAX_REMEMBERED) return ids
      const [oldest] = accounts.keys()
      if (oldest !== undefined && accounts.size >= MAX_ACCOUNTS) accounts.delete(oldest)
      // A host whose clock is ahead makes ids that are, and those of the others come behind them.
      const aDayAgo = idAt(now() - DAY_MS)
      accounts.set(account, { upTo: found.last < aDayAgo ? found.last : aDayAgo, ids })
      return ids
    },
  }
}
