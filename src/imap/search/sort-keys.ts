/** What SORT can sort by. RFC 5256 §3, RFC 5957 §3. */
import { baseSubject } from '../../mail/base-subject.ts'
import { casemap } from '../../mail/casemap.ts'
import { parseDate } from '../../mail/date.ts'
import { type EnvelopeAddress, envelopeFields } from '../../mail/envelope-fields.ts'
import { decodeWords } from '../../mail/words.ts'
import type { Place } from '../../store/index.ts'
import type { ContentRow } from '../../store/mailstore.ts'
import type { KeyKind } from './content-keys.ts'
import { KeyCache } from './key-cache.ts'

/** Of one message; texts collate by octets (see casemap). */
export interface EnvelopeKeys {
  /** Milliseconds since 1970, UTC; undefined where INTERNALDATE counts instead. */
  readonly sent: number | undefined
  readonly subject: string
  /** The base subject says that it answers or forwards another: RFC 5256 §2.1. */
  readonly isReply: boolean
  /** addr-mailbox of the first address. */
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly displayFrom: string
  readonly displayTo: string
}

/** Rising; `message` says where it stands in the index. */
export type SortKey =
  | { readonly kind: 'index'; readonly of: (message: Place) => number }
  | { readonly kind: 'number'; readonly of: (keys: EnvelopeKeys, message: Place) => number }
  | { readonly kind: 'text'; readonly of: (keys: EnvelopeKeys) => string }
  /** The highest score first: RFC 6203 §6. */
  | { readonly kind: 'relevancy' }

const arrival = ({ segment, row }: Place): number => segment.dates[row]!
/** Where the Date field names no moment, INTERNALDATE does: RFC 5256 §2.2. */
export const sentDate = (keys: EnvelopeKeys, message: Place): number => keys.sent ?? arrival(message)

export const SORT_KEYS: ReadonlyMap<string, SortKey> = new Map<string, SortKey>([
  ['ARRIVAL', { kind: 'index', of: arrival }],
  ['CC', { kind: 'text', of: (keys) => keys.cc }],
  ['DATE', { kind: 'number', of: sentDate }],
  ['FROM', { kind: 'text', of: (keys) => keys.from }],
  ['SIZE', { kind: 'index', of: ({ segment, row }) => segment.sizes[row]! }],
  ['SUBJECT', { kind: 'text', of: (keys) => keys.subject }],
  ['TO', { kind: 'text', of: (keys) => keys.to }],
])
export const DISPLAY_SORT_KEYS: ReadonlyMap<string, SortKey> = new Map<string, SortKey>([
  ['DISPLAYFROM', { kind: 'text', of: (keys) => keys.displayFrom }],
  ['DISPLAYTO', { kind: 'text', of: (keys) => keys.displayTo }],
])

/** Characters of a text that are compared. */
const MAX_TEXT = 1000
const NO_ADDRESS: EnvelopeAddress = { name: undefined, local: undefined, domain: undefined }
const collated = (text: string): string => casemap(text.slice(0, MAX_TEXT))

export const ENVELOPE_KEYS: KeyKind<EnvelopeKeys> = {
  cache: new KeyCache(),
  want: ['envelope'],
  make: ({ envelope }: ContentRow) => {
    const { date, subject, from = NO_ADDRESS, to = NO_ADDRESS, cc = NO_ADDRESS } = envelopeFields(envelope!)
    const base = baseSubject(subject ?? '')
    return {
      sent: date === undefined ? undefined : momentOf(date),
      subject: collated(base.text),
      isReply: base.isReply,
      from: collated(decodeWords(from.local ?? '')),
      to: collated(decodeWords(to.local ?? '')),
      cc: collated(decodeWords(cc.local ?? '')),
      displayFrom: collated(displayed(from)),
      displayTo: collated(displayed(to)),
    }
  },
  texts: ({ subject, from, to, cc, displayFrom, displayTo }) =>
    subject.length + from.length + to.length + cc.length + displayFrom.length + displayTo.length,
  none: { sent: undefined, subject: '', isReply: false, from: '', to: '', cc: '', displayFrom: '', displayTo: '' },
}

/** A time that is none counts as midnight: RFC 5256 §2.2. */
const momentOf = (date: string): number | undefined => (parseDate(date) ?? parseDate(date.replace(/[0-9]+ *:.*/s, '')))?.time

/** The display name, a group's name, or the address: RFC 5957 §3. */
function displayed({ name, local, domain }: EnvelopeAddress): string {
  const shown = name === undefined ? '' : decodeWords(name).trim()
  if (shown !== '') return shown
  if (domain === undefined) return decodeWords(local ?? '')
  return decodeWords(domain === '' ? (local ?? '') : `${local ?? ''}@${domain}`)
}
