/** `BODY[section]<partial>` as FETCH asks for it: read from tokens, written back in canonical form. RFC 9051 §6.4.5, §9 section. */
import { Bad } from '../reply.ts'
import { isAtom, isQuotable } from '../wire/chars.ts'
import type { AtomNode, Node } from '../wire/node.ts'
import { ArgumentReader } from '../wire/read.ts'

const TEXTS = ['', 'HEADER', 'HEADER.FIELDS', 'HEADER.FIELDS.NOT', 'TEXT', 'MIME'] as const
export type SectionText = (typeof TEXTS)[number]

export interface Section {
  /** Part numbers; none for the message itself. */
  readonly path: readonly number[]
  /** '' is the whole message, or the content of the part. */
  readonly text: SectionText
  /** Field names of HEADER.FIELDS and HEADER.FIELDS.NOT, as asked. */
  readonly fields: readonly string[]
}

/** `[]`: the message itself. */
export const WHOLE: Section = { path: [], text: '', fields: [] }

/** `<0.100>`: from this octet on, at most that many. */
export interface Partial {
  readonly from: number
  readonly count: number
}

/** Deeper parts than the structure pass keeps need no reading. */
const MAX_PATH = 100
/** Characters of all field names of one item: they are echoed in every response. */
const MAX_FIELD_NAMES = 8192
const MAX_OFFSET = Number.MAX_SAFE_INTEGER

/** The tokens within the brackets. Throws Bad. */
export function readSection(nodes: readonly Node[]): Section {
  const r = new ArgumentReader(nodes)
  if (!r.more) return WHOLE
  const { path, text } = splitSection(r.atom().toUpperCase())
  const fields = text === 'HEADER.FIELDS' || text === 'HEADER.FIELDS.NOT' ? readFields(r) : []
  if (r.more) throw new Bad('Invalid body section')
  return { path, text, fields }
}

/** What stands in angle brackets behind the section, if anything. Throws Bad. */
export function readPartial({ partial }: AtomNode): Partial | undefined {
  if (!partial) return undefined
  const [from, count] = partial
  if (from === undefined || count === undefined) throw new Bad('A partial fetch needs an offset and a length')
  if (from > MAX_OFFSET || count > MAX_OFFSET) throw new Bad('Partial fetch too large')
  if (count === 0) throw new Bad('The length of a partial fetch must be at least 1')
  return { from, count }
}

/** `BODY[1.2.HEADER.FIELDS (Subject)]<0>`, the item's name in a response: the offset stays, the length does not. */
export function sectionName({ path, text, fields }: Section, partial?: Partial): string {
  const list = text.startsWith('HEADER.FIELDS') ? ` (${fields.map(astring).join(' ')})` : ''
  return `BODY[${[...path, ...(text ? [text] : [])].join('.')}${list}]${partial ? `<${partial.from}>` : ''}`
}

function splitSection(spec: string): Pick<Section, 'path' | 'text'> {
  const path: number[] = []
  let rest = spec
  while (rest !== '' && isDigit(rest.charCodeAt(0))) {
    const dot = rest.indexOf('.')
    const number = dot < 0 ? rest : rest.slice(0, dot)
    rest = dot < 0 ? '' : rest.slice(dot + 1)
    if (!isPartNumber(number) || (dot >= 0 && rest === '')) throw new Bad('Invalid part number in body section')
    if (path.push(Number(number)) > MAX_PATH) throw new Bad('Too many part numbers in body section')
  }
  const text = TEXTS.find((known) => known === rest)
  if (text === undefined) throw new Bad('Invalid body section')
  if (text === 'MIME' && path.length === 0) throw new Bad('MIME needs a part number')
  return { path, text }
}

function readFields(r: ArgumentReader): string[] {
  if (r.next !== 'list') throw new Bad('HEADER.FIELDS needs a list of field names')
  return r.list((inner) => {
    const fields: string[] = []
    let length = 0
    while (inner.more) {
      const name = inner.astringOctets().toString('latin1')
      // What cannot be quoted cannot be echoed, and is no field name either.
      if (name === '' || !isQuotable(name)) throw new Bad('Invalid header field name')
      if ((length += name.length + 1) > MAX_FIELD_NAMES) throw new Bad('Too many header field names')
      fields.push(name)
    }
    if (fields.length === 0) throw new Bad('HEADER.FIELDS needs a list of field names')
    return fields
  })
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

/** nz-number. */
function isPartNumber(text: string): boolean {
  if (text.length > 10 || text[0] === '0') return false
  for (let i = 0; i < text.length; i++) if (!isDigit(text.charCodeAt(i))) return false
  return true
}

const astring = (text: string): string => (isAtom(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`)
