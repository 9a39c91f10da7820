/** SCRAM-SHA-256's arithmetic (RFC 5802 §3, RFC 7677): what is kept of a password, and whether a proof belongs to it. */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { saslPrep } from './saslprep.ts'

/** How a password becomes a key. All passwords of one mailbox share it: SCRAM names it before the client has said which one it has. */
export interface ScramSalting {
  readonly iterations: number
  readonly salt: Buffer
}

export interface ScramVerifier extends ScramSalting {
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** Of what is made here; the client does the work at each login. RFC 7677 §4 asks for 4096 at least. client: Cyrus SASL, and mbsync with it, refuses more than this. */
export const SCRAM_ITERATIONS = 65_536
const MIN_ITERATIONS = 4_096
/** A client that is asked for more would stall. */
const MAX_ITERATIONS = 10_000_000
export const SALT_OCTETS = 16
const MIN_SALT = 8
const MAX_SALT = 64
const KEY_OCTETS = 32

export const newSalting = (): ScramSalting => ({ iterations: SCRAM_ITERATIONS, salt: randomBytes(SALT_OCTETS) })

/** undefined: SASLprep does not take this password, so no client can use it with SCRAM. */
export async function makeVerifier(password: string, { iterations, salt }: ScramSalting): Promise<ScramVerifier | undefined> {
  const prepared = saslPrep(password)
  if (prepared === undefined) return undefined
  const salted = await promisify(pbkdf2)(prepared, salt, iterations, KEY_OCTETS, 'sha256')
  return { iterations, salt, storedKey: hash(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') }
}

/** `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, base64 (RFC 5803 §3). */
export const formatVerifier = ({ iterations, salt, storedKey, serverKey }: ScramVerifier): string =>
  `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey.toString('base64')}:${serverKey.toString('base64')}`

/** undefined: it is none. */
export function parseVerifier(text: string): ScramVerifier | undefined {
  const fields = /^SCRAM-SHA-256\$(\d{4,8}):([^$:]{1,100})\$([^$:]{44}):([^$:]{44})$/.exec(text)
  if (!fields) return undefined
  const iterations = Number(fields[1])
  const [salt, storedKey, serverKey] = fields.slice(2).map(base64)
  if (!salt || !storedKey || !serverKey || storedKey.length !== KEY_OCTETS || serverKey.length !== KEY_OCTETS) return undefined
  const fits = iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS && salt.length >= MIN_SALT && salt.length <= MAX_SALT
  return fits ? { iterations, salt, storedKey, serverKey } : undefined
}

export const sameSalting = (a: ScramSalting, b: ScramSalting): boolean => a.iterations === b.iterations && a.salt.equals(b.salt)

export function proves({ storedKey }: ScramVerifier, authMessage: string, proof: Buffer): boolean {
  if (proof.length !== KEY_OCTETS) return false
  const clientKey = hmac(storedKey, authMessage)
  for (let i = 0; i < KEY_OCTETS; i++) clientKey[i]! ^= proof[i]!
  return timingSafeEqual(hash(clientKey), storedKey)
}

export const serverSignature = ({ serverKey }: ScramVerifier, authMessage: string): Buffer => hmac(serverKey, authMessage)

const hmac = (key: Buffer, message: string): Buffer => createHmac('sha256', key).update(message).digest()
const hash = (octets: Buffer): Buffer => createHash('sha256').update(octets).digest()

function base64(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64')
  return octets.toString('base64') === text ? octets : undefined
}
