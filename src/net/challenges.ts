/**
 * Challenges of TLS-ALPN-01 that are under way (RFC 8737): whoever asked the authority, every process can answer it. What is known of them is asked for when an authority
 * comes, at most so often, whatever strangers say they are.
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import { makeChallenge } from './self-signed.ts'

/** Protocol name (RFC 8737 §6.2). */
export const ACME_TLS = 'acme-tls/1'

export interface Challenges {
  /** What to show for that name, in lower case; undefined: nobody has challenged us about it. Never rejects. */
  find(name: string): Promise<SecureContext | undefined>
}

/** How long an answer counts. Milliseconds. */
const FRESH_MS = 500
/** Of one certificate; two may be under way. */
const MAX_CONTEXTS = 200

/** `all`: the SHA-256 of the key authorization by name, of all that are under way. `failed`: it could not be told. */
export function createChallenges(all: () => Promise<ReadonlyMap<string, Buffer>>, failed: (err: unknown) => void): Challenges {
  let asked = Number.NEGATIVE_INFINITY
  let known: Promise<ReadonlyMap<string, Buffer>> = Promise.resolve(new Map())
  const made = new Map<string, SecureContext>()
  const current = (): typeof known => {
    const now = performance.now()
    if (now - asked < FRESH_MS) return known
    asked = now
    known = all().catch((err: unknown) => {
      failed(err)
      return new Map()
    })
    return known
  }
  return {
    async find(name) {
      const digest = (await current()).get(name)
      if (!digest) return undefined
      const key = `${name} ${digest.toString('hex')}`
      let context = made.get(key)
      if (!context) {
        if (made.size >= MAX_CONTEXTS) made.clear()
        context = createSecureContext({ ...makeChallenge(name, digest), minVersion: 'TLSv1.2' })
        made.set(key, context)
      }
      return context
    },
  }
}
