/** Search keys that look at the text of bodies. RFC 9051 §6.4.4. */
import { canonical } from '../../mail/canonical.ts'
import { ALL } from './index-keys.ts'
import { BODY, HEADER, onMessage, or, type SearchKey } from './key.ts'

/** BODY. Every body holds the empty text. */
export function bodyHas(text: string): SearchKey {
  if (text === '') return ALL
  const wanted = canonical(text)
  return onMessage(
    BODY,
    ({ needle }) => {
      const place = needle(wanted)
      return (m) => m.body.found(place) === 1
    },
    { place: 'body', text: wanted },
  )
}

/** TEXT: in the header or in the body. */
export function textHas(text: string): SearchKey {
  const wanted = canonical(text)
  return text === '' ? ALL : or([onMessage(HEADER, () => (m) => m.header.has(wanted), { place: 'header', text: wanted }), bodyHas(text)])
}
