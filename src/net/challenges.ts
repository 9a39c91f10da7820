/**
 * Challenges of TLS-ALPN-01 that are under way (RFC 8737): whoever asked the authority, every process can answer it. What is known of them is asked for when an authority
 * comes, at most so often, whatever strangers say they are.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import { makeChallenge } from './self-signed.ts'

/** Protocol name (RFC 8737 §6.2). */
export const ACME_TLS = 'acme-tls/1'

export interface Challenges {
  /** What to show for that name, in lower case; undefined: nobody has challenged us about it. Never rejects. */
  find(name: string): Promise<SecureContext | undefined>
}

/** Between two questions: strangers may come as often as they like. Milliseconds. */
export const ASK_MS = 50
/** Of one certificate; two may be under way. */
const MAX_CONTEXTS = 200

/** `all`: the SHA-256 of the key authorization by name, of all that are under way. `failed`: it could not be told. */
export function createChallenges(all: () => Promise<ReadonlyMap<string, Buffer>>, failed: (err: unknown) => void): Challenges {
  let asked = Number.NEGATIVE_INFINITY
  let next: Promise<ReadonlyMap<string, Buffer>> | undefined
  const made = new Map<string, SecureContext>()
  const ask = async (): Promise<ReadonlyMap<string, Buffer>> => {
    await sleep(Math.max(0, asked + ASK_MS - performance.now()))
    // Who comes from now on may be about one that the question does not see yet.
    next = undefined
    asked = performance.now()
    return all().catch((err: unknown) => {
      failed(err)
      return new Map()
    })
  }
  return {
    async find(name) {
      next ??= ask()
      const digest = (await next).get(name)
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
