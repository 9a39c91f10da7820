/** What the DNS says of a DKIM key: RFC 6376 §3.6.1, RFC 8463 §4. */
import { createPublicKey, type KeyObject } from 'node:crypto'

/** A string of a TXT record has 255 octets at most. */
const MAX_STRING = 255

/** Where it stands. */
export const dkimRecordName = (domain: string, selector: string): string => `${selector}._domainkey.${domain}`

/** `v=DKIM1; k=…; p=…` of a private or public key. */
export function dkimRecord(key: KeyObject | string): string {
  const { type, octets } = publicOctets(key)
  return `v=DKIM1; k=${type}; p=${octets.toString('base64')}`
}

/** As a zone file has it: in strings of a length that may be. */
export const quotedStrings = (text: string): string =>
  (text.match(new RegExp(`.{1,${MAX_STRING}}`, 'g')) ?? ['']).map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ')

/** Whether a TXT record is the one of this key. */
export function isRecordOf(record: string, key: KeyObject | string): boolean {
  const tags = new Map<string, string>()
  for (const part of record.split(';')) {
    const at = part.indexOf('=')
    if (at > 0) tags.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).replace(/\s+/g, ''))
  }
  const { type, octets } = publicOctets(key)
  if ((tags.get('v') ?? 'DKIM1') !== 'DKIM1' || (tags.get('k') ?? 'rsa') !== type) return false
  return tags.get('p') === octets.toString('base64')
}

function publicOctets(key: KeyObject | string): { type: 'rsa' | 'ed25519'; octets: Buffer } {
  const open = typeof key === 'object' && key.type === 'public' ? key : createPublicKey(key as string)
  const spki = open.export({ type: 'spki', format: 'der' })
  // The key alone, of 32 octets, where it is Ed25519's.
  return open.asymmetricKeyType === 'ed25519' ? { type: 'ed25519', octets: spki.subarray(-32) } : { type: 'rsa', octets: spki }
}
