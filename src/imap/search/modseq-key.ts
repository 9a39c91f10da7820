/** SEARCH MODSEQ. RFC 7162 §3.1.5. */
import { systemFlag } from '../../store/flags.ts'
import { Bad } from '../reply.ts'
import { isAtom } from '../wire/chars.ts'
import { NO, onIndex, type SearchKey, YES } from './key.ts'
import type { KeyReader } from './parse.ts'

const ENTRY = '/flags/'
const isFlag = (name: string): boolean => (name.startsWith('\\') ? systemFlag(name) !== undefined : isAtom(name))
const TYPES = ['ALL', 'PRIV', 'SHARED']

/** `MODSEQ "/flags/\\Draft" all 620162338` or `MODSEQ 620162338`. A message has one modseq for all of its flags, so which of them is meant makes no difference. */
export function readModSeqKey(r: KeyReader): SearchKey {
  r.modseq = true
  const { arguments: args } = r
  if (args.next === 'string') {
    const entry = args.string()
    if (!entry.startsWith(ENTRY) || !isFlag(entry.slice(ENTRY.length))) throw new Bad('Unknown entry')
    args.word(TYPES)
  }
  const least = args.modseq()
  return onIndex(() => ({ segment: { modseqs }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = modseqs[row]! >= least ? YES : NO
  })
}
