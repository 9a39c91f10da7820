/** The text of an HTML part, to be searched and previewed: nothing here is ever shown as HTML or sanitised. */

/** Their content is no text. What is not closed takes the rest with it, as in a browser. */
const SILENT = new Set(['script', 'style'])
/** They stand within words; every other tag parts them. */
const INLINE = new Set(['a', 'b', 'i', 'u', 's', 'em', 'strong', 'span', 'font', 'small', 'big', 'sub', 'sup', 'wbr', 'code', 'tt', 'mark'])

export interface HtmlTextOptions {
  /** Elements whose content is left out beside scripts and styles, lower case. */
  readonly without?: readonly string[]
  /** Characters, white space included, after which no more is needed. */
  readonly enough?: number
}

/** Tags, comments, scripts and styles dropped, entities decoded, white space collapsed. Linear in its input, which is not nested in any way that counts. */
export function htmlText(html: string, { without = [], enough = Number.POSITIVE_INFINITY }: HtmlTextOptions = {}): string {
  let out = ''
  let at = 0
  while (at < html.length && out.length < enough) {
    const open = html.indexOf('<', at)
    if (open < 0) break
    out += html.slice(at, open)
    const end = html.startsWith('<!--', open) ? after(html, '-->', open + 4) : isTag(html, open + 1) ? after(html, '>', open + 1) : 0
    if (end === 0) {
      out += '<'
      at = open + 1
      continue
    }
    const isEnd = html[open + 1] === '/'
    const name = tagName(html, isEnd ? open + 2 : open + 1)
    if (!INLINE.has(name)) out += ' '
    at = !isEnd && (SILENT.has(name) || without.includes(name)) ? closing(html, name, end) : end
  }
  return decodeEntities(out.length < enough ? out + html.slice(at) : out).replace(/[ \t\r\n\f\u00a0]+/g, ' ')
}

/** Behind the next `mark`, or the end. */
function after(html: string, mark: string, from: number): number {
  const found = html.indexOf(mark, from)
  return found < 0 ? html.length : found + mark.length
}

/** Behind `</name` and all up to its `>`, or the end. */
function closing(html: string, name: string, from: number): number {
  for (let at = html.indexOf('</', from); at >= 0; at = html.indexOf('</', at + 2)) {
    if (tagName(html, at + 2) === name) return after(html, '>', at)
  }
  return html.length
}

/** Does a tag, an end tag or a declaration follow the `<`? */
function isTag(html: string, at: number): boolean {
  const c = html.charCodeAt(at)
  const lower = c | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || c === 0x2f || c === 0x21 || c === 0x3f
}

/** Lower-case; '' for declarations. */
const tagName = (html: string, at: number): string => /^[a-z0-9]*/.exec(html.slice(at, at + 12).toLowerCase())![0]

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z]{2,8}[0-9]{0,2}));?/g,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return ENTITIES.get(name) ?? whole
      const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal)
      return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : '\ufffd'
    },
  )
}

const LATIN_1 =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo ' +
  'frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve ' +
  'Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ' +
  'ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'

const ENTITIES = new Map([
  ...LATIN_1.split(' ').map((name, i) => [name, String.fromCharCode(160 + i)] as const),
  ...([
    ['amp', '&'],
    ['lt', '<'],
    ['gt', '>'],
    ['quot', '"'],
    ['apos', "'"],
    ['euro', '€'],
    ['ndash', '–'],
    ['mdash', '—'],
    ['hellip', '…'],
  ] as const),
  ...([
    ['lsquo', '‘'],
    ['rsquo', '’'],
    ['sbquo', '‚'],
    ['ldquo', '“'],
    ['rdquo', '”'],
    ['bdquo', '„'],
    ['bull', '•'],
    ['trade', '™'],
    ['ensp', '\u2002'],
    ['emsp', '\u2003'],
    ['thinsp', '\u2009'],
    ['zwnj', '\u200c'],
    ['zwj', '\u200d'],
    ['lrm', '\u200e'],
    ['rlm', '\u200f'],
  ] as const),
])
