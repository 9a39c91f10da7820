import { formatRanges } from '../../store/uidset.ts'
import { command, LOGGED_IN } from '../command.ts'
import { No } from '../reply.ts'
import { openTarget } from '../target.ts'

/** APPEND: one message into a mailbox, streamed to the store as it comes. RFC 9051 §6.3.12, APPENDUID: RFC 4315 §3. */
export const append = command({
  names: ['APPEND'],
  rfc: 'RFC 9051 §6.3.12',
  states: LOGGED_IN,
  sync: 'all',
  literals: 'stream',
  parse: (r) => ({
    name: r.mailbox(),
    flags: r.next === 'list' ? r.flagList() : [],
    internalDate: r.next === 'string' ? r.dateTime() : undefined,
    literal: r.literalStream(),
  }),
  async run(s, { name, flags, internalDate = Date.now(), literal }) {
    const { messageSize } = s.services.limits
    // Before the client is asked to go on: it need not send what will not be taken.
    if (literal.size > messageSize) throw new No('TOOBIG', `A message may have ${messageSize} octets`)
    if (literal.size === 0) throw new No('CANNOT', 'A message of no octets is none')
    const to = await openTarget(s, name)
    const stage = s.store.stage(s.access, messageSize)
    try {
      for await (const chunk of literal.read()) await stage.write(chunk)
      await literal.end()
      const content = await stage.finish()
      const { uidvalidity, uids } = await s.store.append(to, [{ content, flags, internalDate }])
      return { ok: 'APPEND completed', ...(s.offers('UIDPLUS') && { code: ['APPENDUID', uidvalidity, formatRanges(uids)] as const }) }
    } finally {
      stage.discard()
    }
  },
})
