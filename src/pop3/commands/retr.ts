import { messageNumber } from '../arguments.ts'
import { command } from '../command.ts'
import { wholeMessage } from '../message.ts'
import { repaired } from '../outlook.ts'

/** RETR msg. RFC 1939 §5. Flags stay as they are: what a POP3 client fetched may still be unread for its user. */
export const retr = command({
  name: 'RETR',
  rfc: 'RFC 1939 §5',
  states: ['transaction'],
  parse: messageNumber,
  async run({ store, open: { login, maildrop, messages } }, number) {
    const entry = maildrop.entry(number)
    const row = await messages.take(entry)
    const octets = wholeMessage(store, maildrop, entry, row)
    return {
      ok: `${entry.octets} octets`,
      message: {
        octets: login.pop3.outlookRepairs ? repaired(octets, entry.mended) : octets,
        regular: entry.octets === entry.size,
        sent: () => maildrop.retrieved(number),
      },
    }
  },
})
