import { countUids, type UidRanges } from '../../store/uidset.ts'
import { LOGGED_IN } from '../command.ts'
import { extension } from '../extension.ts'
import { Bad, uidRequired } from '../reply.ts'
import { type Known, QRESYNC } from '../resync.ts'
import { resolveSet, SAVED, STAR } from '../wire/numset.ts'
import type { ArgumentReader } from '../wire/read.ts'
import { CONDSTORE } from './condstore.ts'

/**
 * Quick resynchronisation: SELECT tells what changed since the client was last here, and expunges are told by UID. RFC 7162 §3.2; written in sync.ts and resync.ts.
 */
export const qresync = extension({
  capability: QRESYNC,
  rfc: 'RFC 7162',
  announce: LOGGED_IN,
  enable: [CONDSTORE],
  reports: { vanished: true },
  needs: [CONDSTORE, 'ENABLE'],
  adds: {
    fetchModifiers: new Map([['VANISHED', () => ({ vanished: true })]]),
    selectParameters: new Map([[QRESYNC, (r) => ({ known: r.list(readKnown) })]]),
  },
})

/** `(67890007 90060115194045000 41,43:211,214:541 (1:3 41,43,45))`; the last two each may be absent. */
function readKnown(r: ArgumentReader): Known {
  const known = { uidvalidity: r.positive(), modseq: r.modseq() }
  const uids = r.next === 'atom' ? knownSet(r) : undefined
  const pairs = r.next === 'list' ? r.list(readPairs) : undefined
  return { ...known, ...(uids && { uids }), ...(pairs && { pairs }) }
}

function readPairs(r: ArgumentReader): NonNullable<Known['pairs']> {
  if (r.uids) throw uidRequired()
  const [msns, uids] = [knownSet(r), knownSet(r)]
  const count = countUids(uids)
  if (countUids(msns) !== count) throw new Bad('As many sequence numbers as UIDs are needed')
  return { msns, uids, count }
}

/** A set without `*`, ascending (RFC 7162 §7 known-uids, known-sequence-set). */
function knownSet(r: ArgumentReader): UidRanges {
  const set = r.set()
  if (set === SAVED || set.includes(STAR)) throw new Bad('Only numbers that the client knows')
  return resolveSet(set, STAR)
}
