/** Search keys that look at the header block. RFC 9051 §6.4.4. */
import { canonical } from '../../mail/canonical.ts'
import { HEADER, onMessage, type SearchKey } from './key.ts'

/** HEADER, SUBJECT, FROM, TO, CC and BCC. An empty text asks whether the field is there. */
export function fieldHas(name: string, text: string): SearchKey {
  const field = name.toLowerCase()
  const wanted = canonical(text)
  return onMessage(HEADER, () => (m) => m.header.fieldHas(field, wanted), { place: { field }, text: wanted })
}

/** Messages without a readable Date match none of these. `day` in days since 1970. */
const sent = (matches: (day: number) => boolean): SearchKey =>
  onMessage(HEADER, () => (m) => {
    const day = m.header.sentDay()
    return day !== undefined && matches(day)
  })
export const sentBefore = (day: number): SearchKey => sent((sentOn) => sentOn < day)
export const sentOn = (day: number): SearchKey => sent((sentOn) => sentOn === day)
export const sentSince = (day: number): SearchKey => sent((sentOn) => sentOn >= day)
