import { numberAndLines } from '../arguments.ts'
import { command } from '../command.ts'
import { topOfMessage } from '../message.ts'

/** TOP msg n: the header, the blank line, and n lines of the body. RFC 1939 §7. */
export const top = command({
  name: 'TOP',
  rfc: 'RFC 1939 §7',
  states: ['transaction'],
  capability: 'TOP',
  parse: numberAndLines,
  async run({ store, open: { maildrop, headers } }, { message, lines }) {
    const entry = maildrop.entry(message)
    const { header } = await headers.take(entry)
    const body = (): AsyncIterable<Buffer> => store.read(maildrop.access, entry.content, header.length, entry.size)
    return { ok: 'The top of the message is', message: { octets: topOfMessage(header, body, lines), regular: entry.octets === entry.size } }
  },
})
