import { numberAndLines } from '../arguments.ts'
import { command } from '../command.ts'
import { topOfMessage } from '../message.ts'
import { repaired } from '../outlook.ts'

/**
 * Nobody looks at so many lines: where a message has no more octets than that, it was asked for whole. fetchmail says TOP with 99999999 for RETR, unless it deletes all that it
 * sees, so it counts as one.
 */
const WHOLE = 10_000_000

/** TOP msg n: the header, the blank line, and n lines of the body. RFC 1939 §7. */
export const top = command({
  name: 'TOP',
  rfc: 'RFC 1939 §7',
  states: ['transaction'],
  capability: 'TOP',
  parse: numberAndLines,
  async run({ store, open: { login, maildrop, headers, messages } }, { message, lines }) {
    const entry = maildrop.entry(message)
    const whole = lines >= Math.max(WHOLE, entry.octets)
    const { header, body: small } = await (whole ? messages : headers).take(entry)
    const body = () => (small ? [small] : store.read(maildrop.access, entry.content, header.length, entry.size))
    const octets = topOfMessage(header, body, lines)
    return {
      ok: 'The top of the message is',
      message: {
        // It has its blank line in any case.
        octets: login.pop3.outlookRepairs ? repaired(octets, false) : octets,
        regular: entry.octets === entry.size,
        ...(whole && { sent: () => maildrop.retrieved(message) }),
      },
    }
  },
})
