/** What the config file is checked with. */
import { parsePhc } from '../auth/phc.ts'
import type { Words } from '../config/schema.ts'
import { canonical, canonicalDomain } from '../mail/address.ts'

export const words: Words = { address: canonical, domain: canonicalDomain, isHash }

function isHash(text: string): boolean {
  try {
    parsePhc(text)
    return true
  } catch {
    return false
  }
}
