import { Refusal } from '../../store/errors.ts'
import type { ModSeq } from '../../store/types.ts'
import { command, noArguments } from '../command.ts'
import type { SelectedSession } from '../session.ts'

/** CLOSE: expunges without telling, and leaves the mailbox. After EXAMINE nothing is expunged. RFC 9051 §6.4.1. */
export const close = command({
  names: ['CLOSE'],
  rfc: 'RFC 9051 §6.4.1',
  states: ['selected'],
  sync: 'none',
  parse: noArguments,
  async run(s) {
    const { selected } = s
    const { settled } = selected.view
    const { modseqs } = selected.readOnly ? NOTHING : await expunge(s)
    await s.unselect()
    // RFC 7162 §3.2.8. Only where nothing that the client was not told of lies before this expunge: it would never hear of it.
    const isNext = modseqs.length > 0 && modseqs[0] === settled + 1 && modseqs.at(-1) === settled + modseqs.length
    return { ok: 'CLOSE completed', ...(s.reports.vanished && s.reports.modseq && isNext && { code: ['HIGHESTMODSEQ', modseqs.at(-1)!] as const }) }
  },
})

const NOTHING = { modseqs: [] }

/** Without the right to expunge, also one that was taken this moment, it is closed all the same (RFC 4314 §4). */
async function expunge({ store, selected }: SelectedSession): Promise<{ readonly modseqs: readonly ModSeq[] }> {
  try {
    return await store.expunge(selected.access, { deletedOnly: true })
  } catch (error) {
    if (error instanceof Refusal && (error.reason === 'not-permitted' || error.reason === 'nonexistent')) return NOTHING
    throw error
  }
}
