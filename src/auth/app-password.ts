/**
 * App passwords: made up here and nowhere else, 128 bits of chance each, so that a keyed hash, a microsecond, protects them as well as argon2id does a
 * password that a person chose.
 */
import { createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import type { AppPassword, Scope } from '../store/accounts.ts'
import type { Service } from '../store/presence.ts'

/** No letters or digits that look alike. */
const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789'
const GROUPS = 4
const GROUP = 7
/** Tells one from a password that a person chose, before anything is hashed. */
const PREFIX = 'app-'
const FORM = new RegExp(`^${PREFIX}${Array(GROUPS).fill(`[${LETTERS}]{${GROUP}}`).join('-')}$`)
const SALT_OCTETS = 16
const TAG_OCTETS = 32

/** 28 letters of 31: 138 bits. */
export const generateAppPassword = (): string =>
  PREFIX + Array.from({ length: GROUPS }, () => Array.from({ length: GROUP }, () => LETTERS[randomInt(LETTERS.length)]).join('')).join('-')

/** Nothing else is compared with an account's app passwords. */
export const looksLikeAppPassword = (password: string): boolean => FORM.test(password)

/** `$sha256$salt$tag`: HMAC-SHA-256 under the salt (RFC 2104), both base64 without padding. */
export function hashAppPassword(password: string): string {
  const salt = randomBytes(SALT_OCTETS)
  return `$sha256$${unpadded(salt)}$${unpadded(tagOf(salt, password))}`
}

/** Whether an app password can be checked against that. */
export const isAppHash = (text: string): boolean => parse(text) !== undefined

/** The one that it is, whatever its scopes; all are compared, each in constant time. */
export function findAppPassword(passwords: readonly AppPassword[], password: string): AppPassword | undefined {
  let found: AppPassword | undefined
  for (const one of passwords) {
    const hash = parse(one.hash)
    if (hash && timingSafeEqual(tagOf(hash.salt, password), hash.tag)) found ??= one
  }
  return found
}

const SCOPE_OF: Readonly<Record<Service, Scope | 'any' | undefined>> = {
  imaps: 'imap',
  pop3s: 'pop3',
  pop3: 'pop3',
  submission: 'smtp',
  submissions: 'smtp',
  mx: undefined,
  // The set-up page: it says what each is for.
  https: 'any',
}

export function isFor({ scopes }: AppPassword, service: Service): boolean {
  const scope = SCOPE_OF[service]
  return scope === 'any' || (scope !== undefined && scopes.includes(scope))
}

const tagOf = (salt: Buffer, password: string): Buffer => createHmac('sha256', salt).update(password).digest()
const unpadded = (octets: Buffer): string => octets.toString('base64').replaceAll('=', '')

function parse(text: string): { readonly salt: Buffer; readonly tag: Buffer } | undefined {
  const [before, scheme, ...fields] = text.split('$')
  if (before !== '' || scheme !== 'sha256' || fields.length !== 2) return undefined
  const [salt, tag] = fields.map((field) => Buffer.from(field, 'base64')) as [Buffer, Buffer]
  if (unpadded(salt) !== fields[0] || unpadded(tag) !== fields[1]) return undefined
  return salt.length === SALT_OCTETS && tag.length === TAG_OCTETS ? { salt, tag } : undefined
}
