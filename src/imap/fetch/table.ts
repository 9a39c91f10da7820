/** The FETCH items of IMAP4rev1 by name. RFC 3501 §6.4.5, RFC 9051 §6.4.5. */
import { Bad } from '../reply.ts'
import type { AtomNode } from '../wire/node.ts'
import { sectionItem } from './body.ts'
import type { FetchItem, FetchItems } from './item.ts'
import { BODYSTRUCTURE, ENVELOPE, FLAGS, INTERNALDATE, SIZE, STRUCTURE, UID } from './items.ts'
import { readPartial, readSection, WHOLE } from './section.ts'

/** `BODY` alone is the structure; `BODY[…]` are octets, and reading them sets \Seen. */
function body(asked: AtomNode): FetchItem {
  if (asked.section) return sectionItem(readSection(asked.section), { partial: readPartial(asked), seen: true })
  if (asked.partial) throw new Bad('A partial fetch needs a section')
  return STRUCTURE
}

function bodyPeek(asked: AtomNode): FetchItem {
  if (!asked.section) throw new Bad('BODY.PEEK needs a section')
  return sectionItem(readSection(asked.section), { partial: readPartial(asked), seen: false })
}

export const FETCH_ITEMS: FetchItems = new Map<string, FetchItem | ((asked: AtomNode) => FetchItem)>([
  ['UID', UID],
  ['FLAGS', FLAGS],
  ['INTERNALDATE', INTERNALDATE],
  ['RFC822.SIZE', SIZE],
  ['ENVELOPE', ENVELOPE],
  ['BODYSTRUCTURE', BODYSTRUCTURE],
  ['BODY', body],
  ['BODY.PEEK', bodyPeek],
  // The names of RFC 1730, which rev1 keeps: the same octets as BODY[], BODY.PEEK[HEADER] and BODY[TEXT] under another name.
  ['RFC822', sectionItem(WHOLE, { name: 'RFC822', seen: true })],
  ['RFC822.HEADER', sectionItem({ ...WHOLE, text: 'HEADER' }, { name: 'RFC822.HEADER', seen: false })],
  ['RFC822.TEXT', sectionItem({ ...WHOLE, text: 'TEXT' }, { name: 'RFC822.TEXT', seen: true })],
])
