/** THREAD and UID THREAD. RFC 5256 §4. */
import { command, HOLD_EXPUNGE } from '../command.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { withProgress } from '../progress.ts'
import { Bad } from '../reply.ts'
import { OPEN_GATE, searchContext, withCriteria } from '../search/context.ts'
import { isNumbered, orRefusal, readCharset, readCriteria } from '../search/parse.ts'
import { runSearch } from '../search/run.ts'
import { writeThreads } from '../search/thread/write.ts'

export const thread = command({
  names: ['THREAD', 'UID THREAD'],
  rfc: 'RFC 5256 §4',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  holds: isNumbered,
  offeredBy: ['THREAD=ORDEREDSUBJECT', 'THREAD=REFERENCES'],
  parse(r, _, { threadAlgorithms, searchKeys }) {
    const algorithm = threadAlgorithms.get(r.word())
    if (!algorithm) throw new Bad('Unknown threading algorithm')
    const criteria = orRefusal(r, () => {
      readCharset(r)
      return readCriteria(r, searchKeys, true)
    })
    return { algorithm, criteria, options: undefined }
  },
  async run(s, args, { name, by, tag }) {
    await withCriteria(s.selected, args, async ({ key, modseq }) => {
      if (modseq) s.enable(CONDSTORE)
      const context = searchContext(s)
      const found = await withProgress(s, tag, runSearch(context, key), context.work)
      // What it keeps in memory grows with the mailbox: one at a time for each account.
      const threaded = context.gate.run(s.access.account, () => args.algorithm({ ...context, gate: OPEN_GATE }, found))
      const tree = await withProgress(s, tag, threaded, context.work)
      await writeThreads(s.out, tree, by === 'uid' ? found.uids : found.msns, context.work)
    })
    return { ok: `${name} completed` }
  },
})
