/** The search keys of IMAP4rev1. RFC 3501 §6.4.4, RFC 9051 §6.4.4. */
import { sentBefore, sentOn, sentSince } from './header-keys.ts'
import {
  ALL,
  arrivedBefore,
  arrivedOn,
  arrivedSince,
  hasKeyword,
  IS_ANSWERED,
  IS_DELETED,
  IS_DRAFT,
  IS_FLAGGED,
  IS_NEW,
  IS_RECENT,
  IS_SEEN,
  inUidSet,
  isLarger,
  isSmaller,
} from './index-keys.ts'
import { not, type SearchKey } from './key.ts'
import type { KeyReader, SearchKeys } from './parse.ts'

const DAY_MS = 86_400_000

const field =
  (name: string) =>
  (r: KeyReader): SearchKey =>
    r.texts.field(r, name)

/** Midnight UTC of the day named. */
export const date =
  (key: (midnight: number) => SearchKey) =>
  (r: KeyReader): SearchKey =>
    key(r.arguments.date())
/** The day named, as a number of days since 1970. */
const day =
  (key: (day: number) => SearchKey) =>
  (r: KeyReader): SearchKey =>
    key(r.arguments.date() / DAY_MS)
const size =
  (key: (octets: number) => SearchKey) =>
  (r: KeyReader): SearchKey =>
    key(r.arguments.number())

export const SEARCH_KEYS: SearchKeys = new Map<string, SearchKey | ((r: KeyReader) => SearchKey)>([
  ['ALL', ALL],
  ['ANSWERED', IS_ANSWERED],
  ['BCC', field('bcc')],
  ['BEFORE', date(arrivedBefore)],
  ['BODY', (r) => r.texts.body(r)],
  ['CC', field('cc')],
  ['DELETED', IS_DELETED],
  ['DRAFT', IS_DRAFT],
  ['FLAGGED', IS_FLAGGED],
  ['FROM', field('from')],
  ['HEADER', (r) => r.texts.field(r, r.arguments.astring())],
  ['KEYWORD', (r) => hasKeyword(r.arguments.atom())],
  ['LARGER', size(isLarger)],
  ['NEW', IS_NEW],
  ['OLD', not(IS_RECENT)],
  ['ON', date(arrivedOn)],
  ['RECENT', IS_RECENT],
  ['SEEN', IS_SEEN],
  ['SENTBEFORE', day(sentBefore)],
  ['SENTON', day(sentOn)],
  ['SENTSINCE', day(sentSince)],
  ['SINCE', date(arrivedSince)],
  ['SMALLER', size(isSmaller)],
  ['SUBJECT', field('subject')],
  ['TEXT', (r) => r.texts.text(r)],
  ['TO', field('to')],
  ['UID', (r) => inUidSet(r.uids())],
  ['UNANSWERED', not(IS_ANSWERED)],
  ['UNDELETED', not(IS_DELETED)],
  ['UNDRAFT', not(IS_DRAFT)],
  ['UNFLAGGED', not(IS_FLAGGED)],
  ['UNKEYWORD', (r) => not(hasKeyword(r.arguments.atom()))],
  ['UNSEEN', not(IS_SEEN)],
])
