import { type Call, command, LOGGED_IN } from '../command.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { sayListed } from '../listing.ts'
import { mailboxIdCode } from '../mailbox-id.ts'
import { type Done, No } from '../reply.ts'
import { type Known, requireQresync, resync } from '../resync.ts'
import { Selected } from '../selected.ts'
import type { AuthenticatedSession } from '../session.ts'
import { writeFlags } from '../sync.ts'
import { readParameters } from '../tables.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** SELECT and EXAMINE: open a mailbox, for writing or for reading. The one that was open is left first, even if this fails. RFC 9051 §6.3.2, §6.3.3. */
export const select = command({
  names: ['SELECT', 'EXAMINE'],
  rfc: 'RFC 9051 §6.3.2',
  states: LOGGED_IN,
  sync: 'none',
  parse: (r, _, { selectParameters }) => ({ wanted: mailboxOrRefusal(r), options: r.more ? readParameters(r, selectParameters) : {} }),
  async run(s, { wanted, options }, call) {
    if (options.known) requireQresync(s)
    if (s.state === 'selected') {
      await s.unselect()
      // What follows belongs to another mailbox (RFC 9051 §7.1 CLOSED).
      s.out.status('OK', 'Previous mailbox closed', ['CLOSED'])
    }
    if (options.condstore) s.enable(CONDSTORE)
    if (wanted instanceof No) throw wanted
    return await open(s, wanted, call, options.known)
  },
})

/** A name that no mailbox can have is refused in `run`: the mailbox that is open must be left for that too. */
function mailboxOrRefusal(r: ArgumentReader): string | No {
  try {
    return r.mailbox()
  } catch (error) {
    if (error instanceof No) return error
    throw error
  }
}

async function open(s: AuthenticatedSession, name: string, call: Call, known: Known | undefined): Promise<Done> {
  const writable = call.name === 'SELECT'
  const access = await s.store.open(s.access, name, writable, 'r')
  const selected = await watched(s, name, access)
  try {
    await describe(s, selected)
    if (s.reports.rev2) await sayListed(s, name)
    if (known) await resync(s, selected, known)
  } catch (error) {
    await selected.close()
    throw error
  }
  s.selected = selected
  return { ok: `${call.name} completed`, code: [access.writable ? 'READ-WRITE' : 'READ-ONLY'] }
}

async function watched(s: AuthenticatedSession, name: string, access: Awaited<ReturnType<typeof s.store.open>>): Promise<Selected> {
  let selected: Selected | undefined
  let gone: string | undefined
  const mailbox = await s.store.select(access, {
    changed: () => s.exchange.wake(),
    gone: (why = 'The mailbox was deleted') => {
      gone = why
      if (!selected?.leaving) s.end(why)
    },
  })
  selected = new Selected(name, mailbox, s.reports)
  if (gone !== undefined) s.end(gone)
  return selected
}

/** The untagged lines of a SELECT, all of one moment: only \Recent is claimed in between, which moves nothing. */
async function describe(s: AuthenticatedSession, selected: Selected): Promise<void> {
  const { view, index } = selected
  const { exists } = view
  const { uidnext, uidvalidity } = index
  const unseenUid = index.firstUnseen()
  const unseen = unseenUid && view.msnOf(unseenUid.segment.uids[unseenUid.row]!)
  await findRecent(s, selected)
  const { out } = s
  writeFlags(out, selected)
  out.untagged().number(exists).word('EXISTS').end()
  if (s.reports.recent) out.untagged().number(selected.countRecent()).word('RECENT').end()
  // IMAP4rev2 has no UNSEEN here (RFC 9051 appendix E), and it is a sequence number (RFC 9586 §3.6).
  if (unseen !== undefined && !s.reports.rev2 && !s.reports.uids) out.status('OK', 'First unseen message', ['UNSEEN', unseen])
  out.status('OK', 'UIDs valid', ['UIDVALIDITY', uidvalidity])
  out.status('OK', 'Predicted next UID', ['UIDNEXT', uidnext])
  if (s.offers('OBJECTID')) out.status('OK', 'Mailbox id', mailboxIdCode(selected.access.account, selected.access.mailbox))
  if (s.offers(CONDSTORE)) out.status('OK', 'Highest mod-sequence', ['HIGHESTMODSEQ', view.modseq])
}

/** After EXAMINE the messages that nobody was told of yet are \Recent too, and stay so for the next session (RFC 3501 §2.3.2). */
async function findRecent(s: AuthenticatedSession, selected: Selected): Promise<void> {
  if (!s.reports.recent) return
  if (!selected.readOnly) return await selected.claimRecent()
  const { recent } = await s.store.status(selected.access)
  const { exists, maxUid } = selected.view
  const first = selected.view.uidAt(Math.max(1, exists - recent + 1))
  if (recent > 0 && first !== undefined) selected.addRecent(first, maxUid)
}
