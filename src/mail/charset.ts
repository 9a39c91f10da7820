/** Bytes of mail → text, whatever their charset is called. Never throws. */

/** Names seen in mail that the Encoding Standard's labels lack, after `_` became `-`. */
const ALIASES = new Map([
  ['cp932', 'shift_jis'],
  ['cp936', 'gbk'],
  ['cp949', 'euc-kr'],
  ['ms949', 'euc-kr'],
  ['uhc', 'euc-kr'],
  ['cp950', 'big5'],
  ['cp50220', 'iso-2022-jp'],
  ['cp50221', 'iso-2022-jp'],
  ['iso-2022-jp-ms', 'iso-2022-jp'],
  ['mac-roman', 'macintosh'],
  ['mac-cyrillic', 'x-mac-cyrillic'],
  ['utf', 'utf-8'],
])
/** Names longer than this are none. */
const MAX_NAME = 40
/** Says nothing when the bytes are 8-bit, so they are guessed at. */
const GUESSED = new Set(['us-ascii', 'ascii', 'ansi-x3.4-1968', 'x-user-defined'])

/** Can text in that charset be read? What SEARCH CHARSET asks. */
export function isCharset(name: string): boolean {
  return GUESSED.has(normal(name)) || decoderFor(name) !== undefined
}

/** The text; undecodable bytes as U+FFFD. Without a known charset: UTF-8 if the bytes are valid UTF-8, else windows-1252. */
export function decodeText(bytes: Uint8Array, charset?: string): string {
  const decoder = charset === undefined ? undefined : decoderFor(charset)
  return decoder ? decoder.decode(bytes) : guess(bytes)
}

/** `decodeText` of text whose characters are bytes, as header values come from `unfold`. */
export function decodeBinary(binary: string, charset?: string): string {
  return isPlainAscii(binary) && charset === undefined ? binary : decodeText(Buffer.from(binary, 'latin1'), charset)
}

function guess(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}

function decoderFor(charset: string): InstanceType<typeof TextDecoder> | undefined {
  const name = normal(charset)
  if (GUESSED.has(name)) return undefined
  for (const label of [ALIASES.get(name) ?? name, charset.trim(), numbered(name)]) {
    try {
      if (label) return new TextDecoder(label)
    } catch {
      // no such label: try the next form of the name
    }
  }
  return undefined
}

const normal = (charset: string): string => charset.slice(0, MAX_NAME).trim().toLowerCase().replaceAll('_', '-')

/** `cp1251`, `win-1251`, `8859-1`, `iso8859-15` → the standard label. */
function numbered(name: string): string | undefined {
  const m = /^(?:(?:cp|win|windows|ms|ibm)-?(125[0-8]|874)|(?:iso-?)?8859-?(1[0-6]|[1-9]))$/.exec(name)
  return m?.[1] ? `windows-${m[1]}` : m?.[2] ? `iso-8859-${m[2]}` : undefined
}

function isPlainAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}
