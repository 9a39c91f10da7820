/** Search keys that the index answers: flags, numbers, dates of arrival, sizes. RFC 9051 §6.4.4. */
import { ANSWERED, DELETED, DRAFT, FIRST_KEYWORD_BIT, FLAGGED, flagBit, SEEN } from '../../store/flags.ts'
import { membership } from '../fetch/ranges.ts'
import { type NumberSet, resolveSet, SAVED } from '../wire/numset.ts'
import { and, NO, not, onIndex, type SearchKey, type Test, YES } from './key.ts'

const DAY_MS = 86_400_000

export const ALL: SearchKey = { kind: 'and', keys: [] }

const lowBit =
  (bit: number): Test =>
  ({ segment: { lo }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = lo[row]! & bit ? YES : NO
  }
const highBit =
  (bit: number): Test =>
  ({ segment: { hi }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = hi[row]! & bit ? YES : NO
  }

export const IS_ANSWERED = onIndex(() => lowBit(ANSWERED))
export const IS_DELETED = onIndex(() => lowBit(DELETED))
export const IS_DRAFT = onIndex(() => lowBit(DRAFT))
export const IS_FLAGGED = onIndex(() => lowBit(FLAGGED))
export const IS_SEEN = onIndex(() => lowBit(SEEN))

/** KEYWORD: no message has a keyword that the mailbox does not know. */
export const hasKeyword = (name: string): SearchKey =>
  onIndex(({ keywords }) => {
    const wanted = name.toLowerCase()
    const slot = keywords.findIndex((keyword) => keyword.toLowerCase() === wanted)
    if (slot < 0) return lowBit(0)
    const { lo, hi } = flagBit(FIRST_KEYWORD_BIT + slot)
    return hi === 0 ? lowBit(lo) : highBit(hi)
  })

const uidIs =
  (within: (uid: number) => boolean): Test =>
  ({ segment: { uids }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = within(uids[row]!) ? YES : NO
  }
export const IS_RECENT = onIndex(({ isRecent }) => uidIs(isRecent))
export const IS_NEW = and([IS_RECENT, not(IS_SEEN)])
/** `$` names the same messages whether UIDs or sequence numbers are spoken of. */
const IS_SAVED = onIndex(({ saved }) => uidIs(membership(saved())))
export const inUidSet = (set: NumberSet): SearchKey =>
  set === SAVED ? IS_SAVED : onIndex(({ maxUid }) => uidIs(membership(resolveSet(set, maxUid))))

/** Numbers beyond EXISTS match nothing: a search asks, it does not name. client: several search 1:4294967295 or beyond a mailbox that was emptied. */
export const inSet = (set: NumberSet): SearchKey => (set === SAVED ? IS_SAVED : inNumbers(set))
const inNumbers = (set: NumberSet): SearchKey =>
  onIndex(({ exists }) => {
    const within = membership(resolveSet(set, exists))
    return ({ msn, from, to }, out) => {
      for (let row = 0; row < to - from; row++) out[row] = within(msn + row) ? YES : NO
    }
  })

/** `n` octets itself is neither larger nor smaller. */
export const isLarger = (n: number): SearchKey =>
  onIndex(() => ({ segment: { sizes }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = sizes[row]! > n ? YES : NO
  })
export const isSmaller = (n: number): SearchKey =>
  onIndex(() => ({ segment: { sizes }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = sizes[row]! < n ? YES : NO
  })

/** `midnight` is that of the day, UTC, in milliseconds since 1970: the zone in which INTERNALDATE and SAVEDATE are shown too. */
export const arrivedBefore = (midnight: number): SearchKey =>
  onIndex(() => ({ segment: { dates }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = dates[row]! < midnight ? YES : NO
  })
/** YOUNGER and OLDER, in seconds before now: RFC 5032 §3. What is exactly as old is both. */
export const isYounger = (seconds: number): SearchKey => onIndex(({ now }) => dateIs((date) => date >= now - seconds * 1000))
export const isOlder = (seconds: number): SearchKey => onIndex(({ now }) => dateIs((date) => date <= now - seconds * 1000))
const dateIs =
  (within: (date: number) => boolean): Test =>
  ({ segment: { dates }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = within(dates[row]!) ? YES : NO
  }
export const arrivedSince = (midnight: number): SearchKey => not(arrivedBefore(midnight))
export const arrivedOn = (midnight: number): SearchKey => and([arrivedSince(midnight), arrivedBefore(midnight + DAY_MS)])

/** When the message came into this mailbox: RFC 8514 §4.3. */
export const savedBefore = (midnight: number): SearchKey =>
  onIndex(() => ({ segment: { saved }, from, to }, out) => {
    for (let row = from; row < to; row++) out[row - from] = saved[row]! < midnight ? YES : NO
  })
export const savedSince = (midnight: number): SearchKey => not(savedBefore(midnight))
export const savedOn = (midnight: number): SearchKey => and([savedSince(midnight), savedBefore(midnight + DAY_MS)])
