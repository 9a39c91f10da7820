/** X-Postern-Scan: what a content scanner said of a message. One field for each of them. */
import { looseFields } from './loose-fields.ts'

const NAME = 'X-Postern-Scan'
const WIDTH = 76
const FIELD = /^[\0-\x20]*x-postern-scan[\0-\x20]*:/i
const ANY = /x-postern-scan/i

/** The field with CRLF. `words`: printable ASCII without semicolons. */
export function scanResult(words: readonly string[]): string {
  let out = `${NAME}:`
  let width = out.length
  for (const [i, word] of words.entries()) {
    const written = i === words.length - 1 ? word : `${word};`
    const folds = width + 1 + written.length > WIDTH
    out += `${folds ? '\r\n\t' : ' '}${written}`
    width = (folds ? 8 : width + 1) + written.length
  }
  return `${out}\r\n`
}

/** The block without such fields: whoever wrote them, it was not this server. The block itself if there is none. */
export function withoutScanResults(block: Buffer): Buffer {
  // Most mail has none.
  if (!ANY.test(block.toString('latin1'))) return block
  const kept: Buffer[] = []
  let from = 0
  for (const { at, next, text } of looseFields(block)) {
    if (!FIELD.test(text)) continue
    kept.push(block.subarray(from, at))
    from = next
  }
  return from === 0 ? block : Buffer.concat([...kept, block.subarray(from)])
}
