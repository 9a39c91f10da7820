import type { FlagsDone, FlagsOp } from '../../store/mailstore.ts'
import { formatRanges, normalise, outside } from '../../store/uidset.ts'
import { command, HOLD_EXPUNGE } from '../command.ts'
import { CONDSTORE } from '../extensions/condstore.ts'
import { withProgress } from '../progress.ts'
import { No } from '../reply.ts'
import type { Selected } from '../selected.ts'
import { readParameters } from '../tables.ts'
import type { ArgumentReader } from '../wire/read.ts'

const MODES = { FLAGS: 'replace', '+FLAGS': 'add', '-FLAGS': 'remove' } as const
type Item = keyof typeof MODES | `${keyof typeof MODES}.SILENT`
const SILENT = '.SILENT'
const ITEMS = Object.keys(MODES).flatMap((item) => [item, item + SILENT]) as Item[]

/** STORE and UID STORE: change flags. What comes of it, sync tells. RFC 9051 §6.4.6. */
export const store = command({
  names: ['STORE', 'UID STORE'],
  rfc: 'RFC 9051 §6.4.6',
  states: ['selected'],
  sync: HOLD_EXPUNGE,
  writes: true,
  parse(r, _, { storeModifiers }) {
    const set = r.set()
    const options = r.next === 'list' ? readParameters(r, storeModifiers) : {}
    const item = r.word(ITEMS)
    const isSilent = item.endsWith(SILENT)
    const mode = MODES[(isSilent ? item.slice(0, -SILENT.length) : item) as keyof typeof MODES]
    return { set, op: { mode, names: flags(r) } satisfies FlagsOp, isSilent, options }
  },
  async run(s, { set, op, isSilent, options }, { name, by, tag }) {
    const { selected } = s
    const uids = selected.uids(by, set)
    const isConditional = options.unchangedSince !== undefined
    if (isConditional) s.enable(CONDSTORE)
    if (uids.length === 0) return { ok: `${name} completed` }
    const known = selected.view.modseq
    const done = await withProgress(s, tag, s.store.flags(selected.access, uids, { ...op, ...options }))
    const gone = isConditional && by === 'msn' ? selected.view.gone(uids) : []
    const failed = gone.length > 0 ? normalise([...done.modified, ...gone]) : done.modified
    const stored = failed.length > 0 ? outside(uids, failed) : uids
    if (isSilent) {
      hideOwn(selected, done, known)
      // The client must learn the modseq that it made; after a conditional STORE also that of what was so already (RFC 7162 §3.1.3).
      if (s.reports.modseq) selected.number(isConditional ? stored : done.changed)
    } else {
      selected.hide(done.modseqs)
      // As if a FETCH of the flags had been done: of all of them, changed or not.
      selected.tell(stored)
    }
    if (failed.length === 0) return { ok: `${name} completed` }
    // RFC 7162 §3.1.3: named as the client named them. What is gone and was not told of is among them, and makes it a NO (example 10).
    const code = ['MODIFIED', formatRanges(by === 'msn' ? selected.view.msns(failed) : failed)] as const
    if (gone.length > 0) throw new No(code, 'Some of the messages no longer exist')
    return { ok: `Conditional ${name} done in part`, code }
  },
})

/**
 * .SILENT keeps this session's own change from being told, not those of others. A message shows only its last change; so where others' changes lie
 * between what the client knows and this one, nothing is hidden.
 */
function hideOwn(selected: Selected, { modseqs }: FlagsDone, known: number): void {
  if (modseqs.every((modseq, i) => modseq === known + 1 + i)) selected.hide(modseqs)
}

/** `(\Seen x)` or, without parentheses, at least one flag. */
function flags(r: ArgumentReader): string[] {
  if (r.next === 'list') return r.flagList()
  const names = [r.flag()]
  while (r.more) names.push(r.flag())
  return names
}
