/** The FETCH items that are values of the index or of the content's columns. RFC 3501 §6.4.5, RFC 9051 §6.4.5. */
import { withoutExtensions, withoutGlobals } from '../../mail/bodystructure.ts'
import type { Reports } from '../reports.ts'
import { DATE_TIME_LENGTH } from './date.ts'
import type { ValueItem } from './item.ts'
import type { FetchRow } from './row.ts'

const NUMBER_ROOM = 16
const OPEN = 0x28
const CLOSE = 0x29
/** 58 keywords of 50 characters, five system flags and \Recent. */
const FLAGS_ROOM = 3200

export const UID: ValueItem = { kind: 'value', name: 'UID', needs: [], room: NUMBER_ROOM, write: (row, line) => line.number(row.uid) }
export const FLAGS: ValueItem = { kind: 'value', name: 'FLAGS', needs: [], room: FLAGS_ROOM, write: (row, line) => line.phrase(row.flags) }
/** Two parentheses and 2^53-1. RFC 7162 §3.1.4. */
export const MODSEQ: ValueItem = {
  kind: 'value',
  name: 'MODSEQ',
  needs: [],
  enables: 'CONDSTORE',
  room: NUMBER_ROOM + 4,
  write: (row, line) => {
    line.byte(OPEN)
    line.number(row.modseq)
    line.byte(CLOSE)
  },
}
export const SIZE: ValueItem = { kind: 'value', name: 'RFC822.SIZE', needs: [], room: NUMBER_ROOM, write: (row, line) => line.number(row.size) }
export const INTERNALDATE: ValueItem = {
  kind: 'value',
  name: 'INTERNALDATE',
  needs: [],
  room: DATE_TIME_LENGTH,
  write: (row, line) => row.dates.write(row.date, line),
}

/** What a FETCH holds that tells of changed flags. */
const CHANGED: readonly ValueItem[] = [FLAGS]
const CHANGED_MODSEQ: readonly ValueItem[] = [FLAGS, MODSEQ]
export const changedItems = ({ modseq }: Reports): readonly ValueItem[] => (modseq ? CHANGED_MODSEQ : CHANGED)
/** The same where FETCH itself set \Seen: then the UID too, where nobody reads it from the line's beginning (RFC 7162 §3.2.4). */
export const seenItems = (reports: Reports): readonly ValueItem[] =>
  reports.modseq && !reports.uids ? [UID, ...changedItems(reports)] : changedItems(reports)

// The store keeps both as they go on the wire.
export const ENVELOPE: ValueItem = {
  kind: 'value',
  name: 'ENVELOPE',
  needs: ['envelope'],
  room: 0,
  write: (row, line) => line.octets(row.content!.envelope!),
}
export const BODYSTRUCTURE: ValueItem = {
  kind: 'value',
  name: 'BODYSTRUCTURE',
  needs: ['bodystructure'],
  room: 0,
  write: (row, line) => line.octets(structure(row)),
}
/** BODY: the structure without extension data. */
export const STRUCTURE: ValueItem = {
  kind: 'value',
  name: 'BODY',
  needs: ['bodystructure'],
  room: 0,
  write: (row, line) => line.octets(withoutExtensions(structure(row))),
}

const structure = ({ rev2, content }: FetchRow): Buffer => (rev2 ? content!.bodystructure! : withoutGlobals(content!.bodystructure!))
