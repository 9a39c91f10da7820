/** Passwords: argon2id (RFC 9106) of the prepared string. */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Argon2idHash, formatPhc, parsePhc } from './phc.ts'

/** OWASP's minimum; about 60 ms of one core. */
export const MEMORY_KIB = 19 * 1024
export const PASSES = 2
export const PARALLELISM = 1
const SALT_OCTETS = 16
const TAG_OCTETS = 32

/** Octets of a password in UTF-8. */
export const MAX_PASSWORD_OCTETS = 512

/**
 * The octets that are hashed: one device types é as one character and the next as two, so both become the same (RFC 8265 §4.2: spaces mapped to
 * U+0020, NFC). undefined: empty, too long, or no text that UTF-8 can hold.
 */
export function preparePassword(password: string): Buffer | undefined {
  if (password === '' || password.length > MAX_PASSWORD_OCTETS || !password.isWellFormed()) return undefined
  const octets = Buffer.from(password.replace(/\p{Zs}/gu, ' ').normalize('NFC'))
  return octets.length > MAX_PASSWORD_OCTETS ? undefined : octets
}

/** A PHC string with a fresh salt. Throws RangeError for a password that `preparePassword` does not take. */
export async function hashPassword(password: string): Promise<string> {
  const octets = preparePassword(password)
  if (!octets) throw new RangeError(`a password has 1 to ${MAX_PASSWORD_OCTETS} octets`)
  const salt = randomBytes(SALT_OCTETS)
  const settings = { memory: MEMORY_KIB, passes: PASSES, parallelism: PARALLELISM, salt }
  return formatPhc({ ...settings, tag: await derive(octets, settings, TAG_OCTETS) })
}

/** Throws BadHash for a hash that cannot be checked. Compares in constant time. */
export async function verifyPassword(phc: string, password: string): Promise<boolean> {
  const hash = parsePhc(phc)
  const octets = preparePassword(password)
  if (!octets) return false
  return timingSafeEqual(await derive(octets, hash, hash.tag.length), hash.tag)
}

/** Nobody's hash, as costly as one that `hashPassword` makes: checked where there is no such user, so that the answer takes as long. */
export const NOBODYS_HASH = formatPhc({
  memory: MEMORY_KIB,
  passes: PASSES,
  parallelism: PARALLELISM,
  salt: randomBytes(SALT_OCTETS),
  tag: randomBytes(TAG_OCTETS),
})

function derive(message: Buffer, { salt, memory, passes, parallelism }: Omit<Argon2idHash, 'tag'>, tagLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message, nonce: salt, memory, passes, parallelism, tagLength }, (err, tag) => (err ? reject(err) : resolve(tag)))
  })
}
