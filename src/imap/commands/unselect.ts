import { command, noArguments } from '../command.ts'

/** UNSELECT: leaves the mailbox, and expunges nothing. RFC 3691, RFC 9051 §6.4.2. */
export const unselect = command({
  names: ['UNSELECT'],
  rfc: 'RFC 3691',
  states: ['selected'],
  sync: 'none',
  capability: 'UNSELECT',
  announce: ['authenticated', 'selected'],
  parse: noArguments,
  async run(s) {
    await s.unselect()
    return { ok: 'UNSELECT completed' }
  },
})
