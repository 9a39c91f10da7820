/** What the config file is checked with. */
import { isAppHash } from '../auth/app-password.ts'
import { parsePhc } from '../auth/phc.ts'
import { parseVerifier } from '../auth/scram.ts'
import type { Words } from '../config/schema.ts'
import { COMMANDS } from '../imap/commands/index.ts'
import { EXTENSIONS } from '../imap/extensions/index.ts'
import { choicesOf } from '../imap/registry.ts'
import { canonical, canonicalDomain } from '../mail/address.ts'

export const words: Words = {
  address: canonical,
  domain: canonicalDomain,
  isHash,
  isAppHash,
  scramSalting(text) {
    const verifier = parseVerifier(text)
    return verifier && `${verifier.iterations}:${verifier.salt.toString('base64')}`
  },
  capabilities: choicesOf(COMMANDS, EXTENSIONS),
}

function isHash(text: string): boolean {
  try {
    parsePhc(text)
    return true
  } catch {
    return false
  }
}
