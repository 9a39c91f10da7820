import { MessageReader } from '../append/reader.ts'
import { MAX_MESSAGES, takeMessages } from '../append/take.ts'
import { appendUid } from '../append-uid.ts'
import { command, LOGGED_IN } from '../command.ts'
import { openTarget } from '../target.ts'

/** APPEND: messages into a mailbox, streamed to the store as they come; several with MULTIAPPEND (RFC 3502), all or none. RFC 9051 §6.3.12. */
export const append = command({
  names: ['APPEND'],
  rfc: 'RFC 9051 §6.3.12',
  states: LOGGED_IN,
  sync: 'all',
  streamsBehind: 1,
  parse(r, _, tables) {
    const name = r.mailbox()
    const reader = new MessageReader(r.rest(), tables)
    return { name, reader, head: reader.head() }
  },
  async run(s, { name, reader, head }) {
    const to = await openTarget(s, name)
    const most = s.offers('MULTIAPPEND') ? MAX_MESSAGES : 1
    const appended = await takeMessages(s, { head, reader, most }, (messages) => s.store.append(to, messages))
    s.selected?.made(to, appended.uids)
    const code = appendUid(s, appended)
    return { ok: 'APPEND completed', ...(code && { code }) }
  },
})
