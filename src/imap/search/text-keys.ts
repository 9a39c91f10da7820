/** What the keys that name a text make of it. */
import { bodyHas, textHas } from './body-keys.ts'
import { fieldHas } from './header-keys.ts'
import type { SearchKey } from './key.ts'
import type { KeyReader } from './parse.ts'

export interface TextKeys {
  /** HEADER, SUBJECT, FROM, TO, CC and BCC. */
  readonly field: (r: KeyReader, name: string) => SearchKey
  readonly body: (r: KeyReader) => SearchKey
  /** TEXT: in the header or in the body. */
  readonly text: (r: KeyReader) => SearchKey
}

/** As it stands there. RFC 9051 §6.4.4. */
export const EXACT_TEXTS: TextKeys = {
  field: (r, name) => fieldHas(name, r.text()),
  body: (r) => bodyHas(r.bodyText()),
  text: (r) => textHas(r.bodyText()),
}
