import { command, LOGGED_IN } from '../command.ts'

/** SUBSCRIBE and UNSUBSCRIBE: a list of names that clients share. RFC 9051 §6.3.7, §6.3.8. */
export const subscribe = command({
  names: ['SUBSCRIBE', 'UNSUBSCRIBE'],
  rfc: 'RFC 9051 §6.3.7',
  states: LOGGED_IN,
  sync: 'all',
  parse: (r) => r.mailbox(),
  async run(s, mailbox, { name }) {
    await s.store.subscribe(s.access, mailbox, name === 'SUBSCRIBE')
    s.notifier?.telling.subscribed(mailbox, name === 'SUBSCRIBE')
    return { ok: `${name} completed` }
  },
})
