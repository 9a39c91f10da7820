/** Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3) ↔ Unicode. Strict: only what `encodeMutf7` would write decodes. */
import { HIERARCHY_DELIMITER } from '../../store/types.ts'

const isPrintable = (code: number): boolean => code >= 0x20 && code <= 0x7e
/** RFC 4648 base64 without padding, `,` in place of `/`, of UTF-16 big endian. */
const SHIFTED = /^[A-Za-z0-9+,]+$/

export function encodeMutf7(name: string): string {
  let out = ''
  for (let i = 0; i < name.length; ) {
    const code = name.charCodeAt(i)
    if (isPrintable(code)) {
      out += code === 0x26 ? '&-' : name[i]
      i++
      continue
    }
    let end = i + 1
    while (end < name.length && !isPrintable(name.charCodeAt(end))) end++
    const utf16 = Buffer.from(name.slice(i, end), 'utf16le').swap16()
    out += `&${utf16.toString('base64').replaceAll('=', '').replaceAll('/', ',')}-`
    i = end
  }
  return out
}

/** undefined for what no server of these names wrote: 8-bit, ASCII in base64, a shift that is empty, doubled or left open, half a surrogate. */
export function decodeMutf7(wire: string): string | undefined {
  let name = ''
  for (let i = 0; i < wire.length; ) {
    const shift = wire.indexOf('&', i)
    if (shift < 0) {
      name += wire.slice(i)
      break
    }
    name += wire.slice(i, shift)
    const end = wire.indexOf('-', shift)
    if (end < 0) return undefined
    const shifted = wire.slice(shift + 1, end)
    if (shifted === '') name += '&'
    else {
      if (!SHIFTED.test(shifted)) return undefined
      const utf16 = Buffer.from(shifted.replaceAll(',', '/'), 'base64')
      if (utf16.length % 2 !== 0) return undefined
      name += utf16.swap16().toString('utf16le')
    }
    i = end + 1
  }
  return name.isWellFormed() && encodeMutf7(name) === wire ? name : undefined
}

/** `inbox` and `Inbox/x` → `INBOX` and `INBOX/x`: the inbox's name has no case (RFC 9051 §5.1), and so has no twin to hang children under. */
export function canonicalName(name: string): string {
  const first = name.split(HIERARCHY_DELIMITER, 1)[0]!
  return first.toUpperCase() === 'INBOX' ? `INBOX${name.slice(first.length)}` : name
}
