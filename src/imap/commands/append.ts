import { formatRanges } from '../../store/uidset.ts'
import { command, LOGGED_IN } from '../command.ts'
import { Bad, No } from '../reply.ts'
import type { Table } from '../tables.ts'
import { openTarget } from '../target.ts'
import type { LiteralStream } from '../wire/literal.ts'
import type { ArgumentReader } from '../wire/read.ts'

/** APPEND: one message into a mailbox, streamed to the store as it comes. RFC 9051 §6.3.12, APPENDUID: RFC 4315 §3. */
export const append = command({
  names: ['APPEND'],
  rfc: 'RFC 9051 §6.3.12',
  states: LOGGED_IN,
  sync: 'all',
  literals: 'stream',
  parse: (r, _, { appendData }) => ({
    name: r.mailbox(),
    flags: r.next === 'list' ? r.flagList() : [],
    internalDate: r.next === 'string' ? r.dateTime() : undefined,
    literal: data(r, appendData),
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

/** The message: a literal, of either kind (RFC 9051 §9 append-data), or `UTF8 (~{12}` as RFC 6855 had it. */
function data(r: ArgumentReader, known: Table<true>): LiteralStream {
  const word = r.more ? r.word() : undefined
  const literal = r.literalStream()
  const isKnown = word === undefined ? !literal.wrapped : known.has(word) && literal.wrapped && literal.form === 'literal8'
  if (!isKnown) throw new Bad('Unknown kind of message')
  return literal
}
