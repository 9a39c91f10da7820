import type { FlagsDone, FlagsOp } from '../../store/mailstore.ts'
import { command, HOLD_EXPUNGE } from '../command.ts'
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
  async run(s, { set, op, isSilent }, { name, by }) {
    const { selected } = s
    const uids = selected.uids(by, set)
    if (uids.length > 0) {
      const known = selected.view.modseq
      const done = await s.store.flags(selected.access, uids, op)
      if (isSilent) hideOwn(selected, done, known)
      else {
        selected.hide(done.modseqs)
        // As if a FETCH of the flags had been done: of all of them, changed or not.
        selected.tell(uids)
      }
    }
    return { ok: `${name} completed` }
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
