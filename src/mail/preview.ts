/** The first words of a message, as a list of messages shows them. RFC 8970. */
import { decodeText } from './charset.ts'
import { collectFields } from './header.ts'
import { htmlText } from './html.ts'
import { parameter, parseParametrised } from './parameters.ts'
import type { Part } from './parts.ts'
import { transferDecoder } from './transfer.ts'

/** Characters of a preview: RFC 8970 §3.1 says 200. */
export const MAX_PREVIEW = 200
/** Octets of the body that are looked at. HTML has much before its first word. */
export const MAX_PREVIEW_BYTES = 64 * 1024
/** Octets of a text that are decoded at first, and then, where those did not fill the preview. */
const STEPS = [1024, 4 * 1024, 16 * 1024]
/** Characters that the text of HTML has to have for a preview: newsletters fill up their first line with white space of all kinds. */
const ENOUGH_TEXT = [1024, 8 * 1024] as const
/** Text parts that are tried, one after the other, until one has words. */
const MAX_CANDIDATES = 4
/** A message as far as it is at hand. */
export interface Beginning {
  /** The header block, blank line included. */
  readonly header: Buffer
  /** The first MAX_PREVIEW_BYTES of what follows, or all of it. */
  readonly body: Buffer
}

/** At most MAX_PREVIEW characters on one line; '' where there is nothing to read: no text, or none but by a key. */
export function previewOf(message: Beginning, parts: readonly Part[]): string {
  let tried = 0
  for (const part of parts) {
    if (part.kind !== 'leaf' || part.media === 'other' || isNested(part, parts)) continue
    const text = textPart(message, part)
    if (text === 'beyond' || ++tried > MAX_CANDIDATES) break
    const preview = text && words(text)
    if (preview) return preview
  }
  return ''
}

/** What a message within the message says is not what the message says. */
function isNested({ parent }: Part, parts: readonly Part[]): boolean {
  for (let at = parent; at >= 0; at = parts[at]!.parent) if (parts[at]!.kind === 'message') return true
  return false
}

interface TextPart {
  readonly part: Part
  readonly bytes: Buffer
  readonly charset: string | undefined
  /** There is more of it than `bytes`. */
  readonly cut: boolean
}

const FIELDS: ReadonlySet<string> = new Set(['content-type', 'content-disposition'])

/** undefined: not to be read as the message's own words. */
function textPart({ header, body }: Beginning, part: Part): TextPart | 'beyond' | undefined {
  const [from, to] = [part.bodyFrom - header.length, part.bodyTo - header.length]
  if (from > body.length) return 'beyond'
  const block = part.headerFrom === 0 ? header : body.subarray(part.headerFrom - header.length, from)
  const fields = collectFields(block, FIELDS)
  if (/^\s*attachment\b/i.test(fields.get('content-disposition')?.[0] ?? '')) return undefined
  const type = parseParametrised(fields.get('content-type')?.[0] ?? 'text/plain')
  if (part.media === 'text' && type.value !== 'text/plain') return undefined
  return { part, bytes: body.subarray(from, to), charset: parameter(type.parameters, 'charset'), cut: to > body.length }
}

function words(text: TextPart): string {
  const { bytes, cut } = text
  for (const step of STEPS) {
    if (step >= bytes.length) break
    const first = decoded(text, bytes.subarray(0, step), { cut: true, enough: ENOUGH_TEXT[0] })
    if (first.full) return first.text
  }
  return decoded(text, bytes, { cut, enough: ENOUGH_TEXT[1] }).text
}

/** A page's title is no part of the page. */
const TITLE = ['title']

/** `cut`: the octets may end within a character. `enough`: characters of HTML's text. */
function decoded(
  { part, charset }: TextPart,
  octets: Buffer,
  { cut, enough }: { cut: boolean; enough: number },
): { readonly text: string; readonly full: boolean } {
  const decoder = transferDecoder(part.encoding)
  const head = decoder.write(octets)
  const bytes = cut ? withoutOpenEnd(head) : Buffer.concat([head, decoder.end()])
  const text = decodeText(bytes, charset)
  return firstWords(part.media === 'html' ? htmlText(text, { without: TITLE, enough }) : ownWords(text))
}

/** A character of several octets may be cut; of UTF-8 it has at most four. */
function withoutOpenEnd(bytes: Buffer): Buffer {
  let end = bytes.length
  while (end > 0 && bytes.length - end < 3 && bytes[end - 1]! >= 0x80) end--
  return bytes.subarray(0, end)
}

const QUOTED = /^[ \t]*>/
/** Underlines, asterisks: lines that say nothing. */
const ORNAMENT = /^[-=_*~#+.| \t]+$/
const SIGNATURE = '-- '
const ARMOUR = '-----BEGIN PGP '
const SIGNED = `${ARMOUR}SIGNED MESSAGE-----`

/** Plain text without quotations, where that leaves any; up to the signature. Nothing of what is encrypted. */
function ownWords(text: string): string {
  let own = ''
  let armour = false
  for (const line of lines(text)) {
    if (line.startsWith(ARMOUR)) {
      if (!line.startsWith(SIGNED)) break
      armour = true
    } else if (armour) armour = line !== ''
    else if (line === SIGNATURE) break
    else if (!QUOTED.test(line) && !ORNAMENT.test(line)) own += `${line}\n`
  }
  return own.trim() === '' && !text.includes(ARMOUR) ? text : own
}

/** Without their line ends. */
function* lines(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const lf = text.indexOf('\n', at)
    const end = lf < 0 ? text.length : lf
    yield text.slice(at, text[end - 1] === '\r' ? end - 1 : end)
    at = end + 1
  }
}

const WHITE = /[^\S\ufeff]/
/** They join or part letters, and show themselves only between two. */
const JOINER = /[\u200c\u200d]/
/** Controls, soft hyphens, marks of direction: nothing to be seen, or that turns the line around. */
const UNSEEN = /\u034f|[\p{Cc}\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/u

/** One line: each run of white space one space. `full`: there is more than a preview holds. */
function firstWords(text: string): { readonly text: string; readonly full: boolean } {
  let out = ''
  let length = 0
  let gap = false
  let joiner = ''
  for (const char of text) {
    if (char > ' ' && char < '\x7f') {
      // most of all mail
    } else if (WHITE.test(char)) {
      gap = true
      continue
    } else if (UNSEEN.test(char)) continue
    else if (JOINER.test(char)) {
      joiner = char
      continue
    }
    const before = length === 0 ? '' : gap ? ' ' : joiner
    if (length + before.length + 1 > MAX_PREVIEW) return { text: out, full: true }
    out += before + char
    length += before.length + 1
    gap = false
    joiner = ''
  }
  return { text: out, full: false }
}
