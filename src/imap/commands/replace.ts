import type { Uid } from '../../store/types.ts'
import { MessageReader } from '../append/reader.ts'
import { takeMessages } from '../append/take.ts'
import { appendUid } from '../append-uid.ts'
import { command } from '../command.ts'
import { Bad, No } from '../reply.ts'
import { openTarget } from '../target.ts'

/** REPLACE and UID REPLACE: a message in the place of another one, as programs save drafts; both or neither. APPENDUID comes before the EXPUNGE that sync sends. RFC 8508. */
export const replace = command({
  names: ['REPLACE', 'UID REPLACE'],
  rfc: 'RFC 8508',
  states: ['selected'],
  sync: 'all',
  writes: true,
  capability: 'REPLACE',
  announce: ['authenticated', 'selected'],
  streamsBehind: 2,
  parse(r, _, tables) {
    const set = r.set()
    if (set.length !== 2 || set[0] !== set[1]) throw new Bad('One message is replaced')
    const name = r.mailbox()
    const reader = new MessageReader(r.rest(), tables)
    return { set, name, reader, head: reader.head() }
  },
  async run(s, { set, name, reader, head }, { name: called, by }) {
    const { selected } = s
    const [uid] = selected.view.uids(by, selected.ranges(by, set))
    // Before the client is asked to go on.
    if (uid === undefined) throw new No('NONEXISTENT', 'There is no such message to replace')
    const to = await openTarget(s, name)
    const appended = await takeMessages(s, { head, reader, most: 1 }, ([message]) => s.store.replace(selected.access, uid as Uid, to, message!))
    selected.made(to, appended.uids)
    const code = appendUid(s, appended)
    if (code) s.out.status('OK', 'Replaced', code)
    return { ok: `${called} completed` }
  },
})
