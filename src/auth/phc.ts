/** Password hashes as text: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag` (the PHC string format; Argon2: RFC 9106). */

export interface Argon2idHash {
  /** KiB. */
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Buffer
  readonly tag: Buffer
}

/** A password hash that this server cannot check. Its message never repeats the hash. */
export class BadHash extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BadHash'
  }
}

/** What a hash may ask of this machine: it comes from the config, where a slip would stall every login. */
export const MAX_MEMORY_KIB = 256 * 1024
export const MAX_PASSES = 20
export const MAX_PARALLELISM = 16
const MIN_SALT = 8
const MIN_TAG = 16
const MAX_FIELD = 64
const MAX_TEXT = 512

const ADVICE = 'Postern reads $argon2id$ hashes only; `postern mailbox passwd` makes one'

/** Throws BadHash. */
export function parsePhc(text: string): Argon2idHash {
  if (text.length > MAX_TEXT) throw new BadHash(`the password hash is too long. ${ADVICE}`)
  const [before, scheme, version, params, salt, tag, ...rest] = text.split('$')
  if (before !== '' || scheme !== 'argon2id') throw new BadHash(`this is ${foreign(text)}. ${ADVICE}`)
  if (version !== 'v=19') throw new BadHash(`the argon2id hash is not of version 19 (v=19). ${ADVICE}`)
  if (tag === undefined || rest.length > 0) throw new BadHash('the argon2id hash is cut short or too long: it has five fields, each begun by a $')
  const given = /^m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,9})$/.exec(params ?? '')
  if (!given) throw new BadHash('the argon2id hash has no readable m=…,t=…,p=…')
  const [memory, passes, parallelism] = [Number(given[1]), Number(given[2]), Number(given[3])]
  if (memory > MAX_MEMORY_KIB || passes > MAX_PASSES || parallelism > MAX_PARALLELISM)
    throw new BadHash(`the argon2id hash asks for too much: at most m=${MAX_MEMORY_KIB},t=${MAX_PASSES},p=${MAX_PARALLELISM}`)
  if (memory < 8 * parallelism) throw new BadHash('the argon2id hash asks for too little memory: m is at least 8 times p')
  return { memory, passes, parallelism, salt: field(salt ?? '', MIN_SALT, 'salt'), tag: field(tag, MIN_TAG, 'tag') }
}

export function formatPhc({ memory, passes, parallelism, salt, tag }: Argon2idHash): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(tag)}`
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')

function field(text: string, min: number, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (unpadded(bytes) !== text) throw new BadHash(`the ${what} of the argon2id hash is not base64 without padding`)
  if (bytes.length < min || bytes.length > MAX_FIELD)
    throw new BadHash(`the ${what} of the argon2id hash has ${bytes.length} octets, not ${min} to ${MAX_FIELD}`)
  return bytes
}

function foreign(text: string): string {
  if (/^\$argon2(i|d)\$/.test(text)) return 'argon2i or argon2d, not argon2id'
  if (/^\$2[abxy]?\$/.test(text)) return 'a bcrypt hash'
  if (/^\$[156]\$/.test(text)) return 'a crypt(3) hash'
  if (/^\$scrypt\$|^\$7\$|^\$y\$/.test(text)) return 'a scrypt or yescrypt hash'
  if (/^\{[^}]{1,30}\}/.test(text)) return 'a hash with a {SCHEME} before it'
  return 'no password hash that can be read'
}
