import { messageNumber } from '../arguments.ts'
import { command } from '../command.ts'
import type { Entry } from '../maildrop.ts'
import { type Taken, wholeMessage } from '../message.ts'
import { repaired } from '../outlook.ts'
import type { Done } from '../reply.ts'
import type { TransactionSession } from '../session.ts'

/** RETR msg. RFC 1939 §5. Flags stay as they are: what a POP3 client fetched may still be unread for its user. */
export const retr = command({
  name: 'RETR',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  parse: messageNumber,
  run(session, number) {
    const entry = session.open.maildrop.entry(number)
    const row = session.open.messages.take(entry)
    return row instanceof Promise ? row.then((taken) => reply(session, entry, taken)) : reply(session, entry, row)
  },
})

function reply({ store, open: { login, maildrop } }: TransactionSession, entry: Entry, row: Taken): Done {
  const octets = wholeMessage(store, maildrop, entry, row)
  return {
    ok: `${entry.octets} octets`,
    message: {
      octets: login.pop3.outlookRepairs ? repaired(octets, entry.mended) : octets,
      regular: entry.octets === entry.size,
      sent: () => maildrop.retrieved(entry.number),
    },
  }
}
