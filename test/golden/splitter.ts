/** What mailsplit says of a message: its parts, named as reference.py names them, with encoding, disposition, file name and size. */
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import type { Fields } from './wire.ts'

interface MimeNode {
  readonly type: 'node'
  readonly parentNode: MimeNode | false
  readonly contentType: string | false
  readonly multipart: string | false
  readonly encoding: string | false
  readonly disposition: string | false
  readonly filename: string | false
}
type Data = MimeNode | { readonly type: 'body' | 'data'; readonly node: MimeNode; readonly value?: Buffer }

const { Splitter } = createRequire(import.meta.url)('mailsplit') as { Splitter: new (options: object) => Duplex }

export async function splitterFields(message: Buffer): Promise<Fields> {
  const out: Fields = { parts: [] }
  const keys = new Map<MimeNode, string>()
  const children = new Map<MimeNode, number>()
  const octets = new Map<MimeNode, number>()
  const splitter = new Splitter({ defaultInlineEmbedded: true })
  splitter.end(message)
  for await (const data of splitter as AsyncIterable<Data>) {
    if (data.type === 'body') octets.set(data.node, (octets.get(data.node) ?? 0) + data.value!.length)
    if (data.type !== 'node') continue
    const { parentNode: parent, contentType, encoding, disposition, filename } = data
    const nth = parent ? (children.get(parent) ?? 0) + 1 : 0
    if (parent) children.set(parent, nth)
    const key = parent ? `${keys.get(parent)}.${parent.multipart ? nth : 'm'}` : '0'
    keys.set(data, key)
    out.parts.push(`${key} ${contentType}`)
    out[`${key} disposition`] = disposition || null
    out[`${key} filename`] = filename || null
    if (!data.multipart) out[`${key} encoding`] = encoding || '7bit'
  }
  for (const [node, key] of keys) if (!node.multipart && !children.has(node)) out[`${key} octets`] = octets.get(node) ?? 0
  return out
}

/** Ours, with no more than mailsplit tells. */
export function asSplitterTells(ours: Fields): Fields {
  const out: Fields = { parts: ours.parts }
  for (const [name, value] of Object.entries(ours)) {
    if (name.endsWith(' disposition')) {
      const key = name.slice(0, name.indexOf(' '))
      const [disposition, parameters] = (value ?? [null, []]) as [string | null, [string, string][]]
      const find = (pairs: unknown, wanted: string) => (pairs as [string, string][]).find(([one]) => one === wanted)?.[1]
      out[name] = disposition
      out[`${key} filename`] = find(parameters, 'filename') ?? find(ours[`${key} parameters`], 'name') ?? null
    } else if (/ (?:encoding|octets)$/.test(name)) out[name] = value
  }
  return out
}
