import { command, noArguments } from '../command.ts'

/** CLOSE: expunges without telling, and leaves the mailbox. After EXAMINE nothing is expunged. RFC 9051 §6.4.1. */
export const close = command({
  names: ['CLOSE'],
  rfc: 'RFC 9051 §6.4.1',
  states: ['selected'],
  sync: 'none',
  parse: noArguments,
  async run(s) {
    if (!s.selected.readOnly) await s.store.expunge(s.selected.access, { deletedOnly: true })
    await s.unselect()
    return { ok: 'CLOSE completed' }
  },
})
