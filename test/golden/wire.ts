/** What we say of a message on the wire, field by field, named as reference.py names them. Octets are characters (latin-1). */
import { createHash } from 'node:crypto'
import { unpackParts } from '../../src/mail/parts.ts'
import { type SectionKind, sectionRange } from '../../src/mail/section.ts'
import type { MessageStructure } from '../../src/mail/structure.ts'

/** NIL is null. */
export type Value = string | number | null | Value[]
/** `parts`: names and types in their order; else `0.1 octets` and such. */
export type Fields = Record<string, unknown> & { readonly parts: string[] }

/** The one value that stands there: lists, strings, numbers and NIL; literals are text of so many octets. */
export function parseWire(wire: string): Value {
  const stack: Value[][] = [[]]
  const token = /[ ]*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|(\d+)|(NIL))/sy
  for (let at = 0; at < wire.length; at = token.lastIndex) {
    token.lastIndex = at
    const m = token.exec(wire)
    assertFound(m, wire, at)
    const [, open, close, quoted, literal, number, nil] = m
    if (open) stack.push([])
    else if (close) {
      const list = stack.pop()!
      stack.at(-1)!.push(list)
    } else if (quoted !== undefined) stack.at(-1)!.push(quoted.replace(/\\(.)/gs, '$1'))
    else if (literal) {
      stack.at(-1)!.push(wire.slice(token.lastIndex, token.lastIndex + Number(literal)))
      token.lastIndex += Number(literal)
    } else stack.at(-1)!.push(nil ? null : Number(number))
  }
  if (stack.length !== 1 || stack[0]!.length !== 1) throw new Error(`not one value: ${wire.slice(0, 200)}`)
  return stack[0]![0]!
}

function assertFound(m: RegExpExecArray | null, wire: string, at: number): asserts m is RegExpExecArray {
  if (!m) throw new Error(`no token at ${at}: ${wire.slice(at, at + 60)}`)
}

export function fieldsOf(message: Buffer, structure: MessageStructure): Fields {
  const out: Fields = { parts: [] }
  const parts = unpackParts(structure.parts)
  const hash = (path: readonly number[], kind: SectionKind): string | undefined => {
    const range = sectionRange(parts, path, kind)
    return range && createHash('sha256').update(message.subarray(range.from, range.to)).digest('hex').slice(0, 16)
  }
  const envelope = parseWire(structure.envelope.toString('latin1')) as Value[]
  describe({ key: '0', number: [], body: parseWire(structure.bodystructure.toString('latin1')) as Value[], envelope })

  /** `number`: of the part, or of the message whose root it is: that has an envelope. The bytes are found as BODY[number] finds them. */
  function describe({ key, number, body, envelope }: { key: string; number: number[]; body: Value[]; envelope?: Value[] }): void {
    const set = (name: string, value: unknown): void => {
      out[`${key} ${name}`] = value
    }
    const common = ([parameters, disposition, language, location]: readonly (Value | undefined)[]) => {
      const [value, more] = (disposition ?? []) as Value[]
      set('parameters', decoded(parameters))
      set('disposition', disposition === null ? null : [value, decoded(more)])
      set('language', language)
      set('location', location)
    }
    for (const [i, name] of ENVELOPE.entries()) if (envelope) set(name, envelope[i])
    set('header', hash(number, envelope ? 'HEADER' : 'MIME'))
    const children = body.slice(
      0,
      body.findIndex((value) => !Array.isArray(value)),
    ) as Value[][]
    const own = envelope && children.length === 0 ? [...number, 1] : number
    set('body', envelope && children.length > 0 ? hash(number, 'TEXT') : hash(own, ''))
    if (children.length > 0) {
      const [subtype, ...more] = body.slice(children.length)
      out.parts.push(`${key} multipart/${subtype}`)
      common(more)
      for (const [i, child] of children.entries()) describe({ key: `${key}.${i + 1}`, number: [...number, i + 1], body: child })
      return
    }
    const [type, subtype, parameters, id, description, encoding, octets, ...rest] = body
    out.parts.push(`${key} ${type}/${subtype}`)
    for (const [name, value] of Object.entries({ id, description, encoding, octets })) set(name, value)
    const inner = type === 'message' && (subtype === 'rfc822' || subtype === 'global') ? (rest.splice(0, 2) as Value[][]) : undefined
    if (inner || type === 'text') set('lines', rest.shift())
    const [md5, ...more] = rest
    set('md5', md5)
    common([parameters, ...more])
    if (inner) describe({ key: `${key}.m`, number: own, body: inner[1]!, envelope: inner[0]! })
  }
  return out
}

const ENVELOPE = ['Date', 'Subject', 'From', 'Sender', 'Reply-To', 'To', 'Cc', 'Bcc', 'In-Reply-To', 'Message-ID']

/** Pairs sorted by name, those of RFC 2231 decoded. */
function decoded(parameters: Value | undefined): [string, string][] {
  const flat = (parameters ?? []) as string[]
  const pairs = flat.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, flat[i + 1]!]] : []))
  return pairs.map(([name, value]): [string, string] => (name.endsWith('*') ? [name.slice(0, -1), extended(value)] : [name, value])).sort(byName)
}

const byName = (a: readonly [string, string], b: readonly [string, string]): number => Number(a.join('\0') > b.join('\0')) || -1

function extended(value: string): string {
  const [, charset, text] = /^([^']*)'[^']*'(.*)$/s.exec(value) ?? [undefined, '', value]
  const octets = Buffer.from(
    text!.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
  try {
    return new TextDecoder(charset || 'us-ascii').decode(octets)
  } catch {
    return octets.toString('latin1') // no charset that is known
  }
}
