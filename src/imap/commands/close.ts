import { Refusal } from '../../store/errors.ts'
import { command, noArguments } from '../command.ts'
import type { SelectedSession } from '../session.ts'

/** CLOSE: expunges without telling, and leaves the mailbox. After EXAMINE nothing is expunged. RFC 9051 §6.4.1. */
export const close = command({
  names: ['CLOSE'],
  rfc: 'RFC 9051 §6.4.1',
  states: ['selected'],
  sync: 'none',
  parse: noArguments,
  async run(s) {
    if (!s.selected.readOnly) await expunge(s)
    await s.unselect()
    // No HIGHESTMODSEQ here: the client would believe that it knows of all before it (RFC 7162 §3.2.8).
    return { ok: 'CLOSE completed' }
  },
})

/** Without the right to expunge, also one that was taken this moment, it is closed all the same (RFC 4314 §4). */
async function expunge({ store, selected }: SelectedSession): Promise<void> {
  try {
    await store.expunge(selected.access, { deletedOnly: true })
  } catch (error) {
    if (error instanceof Refusal && (error.reason === 'not-permitted' || error.reason === 'nonexistent')) return
    throw error
  }
}
