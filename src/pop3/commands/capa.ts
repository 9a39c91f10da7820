import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'

/** CAPA. RFC 2449 §5. */
export const capa = command({
  name: 'CAPA',
  rfc: 'RFC 2449 §5',
  states: ['authorization', 'transaction'],
  beforeTls: true,
  parse: noArgument,
  async run(session) {
    if (!session.open) session.longestDelay = await session.services.delays.longest()
    return { ok: 'What this server can do', lines: session.services.capabilities(session) }
  },
})
