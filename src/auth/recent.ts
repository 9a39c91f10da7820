/** What the last minutes' logins taught, without keeping a password: bounded maps whose keys are HMACs under a key made at boot. */
import { createHmac, randomBytes } from 'node:crypto'

/** A map that forgets: each entry after `ttlMs`, the oldest when there are more than `max`. */
export interface Recent<T> {
  get(key: string): T | undefined
  set(key: string, value: T): void
}

export function createRecent<T>(max: number, ttlMs: number, now: () => number): Recent<T> {
  const entries = new Map<string, { readonly value: T; readonly until: number }>()
  return {
    get(key) {
      const entry = entries.get(key)
      if (!entry) return undefined
      if (entry.until > now()) return entry.value
      entries.delete(key)
      return undefined
    },
    set(key, value) {
      entries.delete(key)
      entries.set(key, { value, until: now() + ttlMs })
      if (entries.size > max) for (const oldest of entries.keys()) return void entries.delete(oldest)
    },
  }
}

/** Makes a key of fields. Each is preceded by its length, so that no two lists of fields make the same key. */
export type KeyOf = (...fields: readonly (string | number)[]) => string

export function createKeyOf(): KeyOf {
  const secret = randomBytes(32)
  return (...fields) => {
    const hmac = createHmac('sha256', secret)
    const length = Buffer.alloc(4)
    for (const field of fields) {
      const octets = Buffer.from(String(field))
      length.writeUInt32BE(octets.length)
      hmac.update(length).update(octets)
    }
    return hmac.digest('base64')
  }
}
