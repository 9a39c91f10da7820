/** What is said of a message that could not be taken apart: octets, whole, and no word about what is in them. RFC 2046 §4.5.1. */

import { packParts } from './parts.ts'
import type { MessageStructure } from './structure.ts'

/** `header`: octets of the header block with its blank line; `size`: of the message. */
export function opaqueStructure(header: number, size: number): Pick<MessageStructure, 'envelope' | 'bodystructure' | 'parts'> {
  return {
    envelope: Buffer.from(`(${Array(10).fill('NIL').join(' ')})`),
    bodystructure: Buffer.from(`("application" "octet-stream" NIL NIL NIL "binary" ${size - header} NIL NIL NIL NIL)`),
    parts: packParts([{ parent: -1, kind: 'leaf', media: 'other', encoding: 'binary', headerFrom: 0, bodyFrom: header, bodyTo: size }]),
  }
}
