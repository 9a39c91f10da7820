/** Seals for the ways that send a message on, each by the key of its own address's domain. RFC 8617. */
import type { Log } from '../../log.ts'
import { domainOf } from '../../mail/address.ts'
import type { Onward } from '../onward.ts'
import { maySeal, type Sealed, sealBy } from '../sealing.ts'
import type { KeysFor } from '../signing.ts'

export interface Sealing {
  /** By way, lines on top of what goes there. Ways whose domain has no key in the DNS are left out, and all of them where that is not known in time. */
  seal(message: Sealed): Promise<ReadonlyMap<string, string>>
}

interface SealingOptions {
  readonly keysFor: KeysFor
  readonly over: AbortSignal
  readonly log: Log
}

/** undefined: nothing of this is sent on. The keys are looked for while the message comes. */
export function sealing(onward: ReadonlyMap<string, Onward>, { keysFor, over, log }: SealingOptions): Sealing | undefined {
  const ways = [...onward].flatMap(([name, { via }]) => (via === undefined ? [] : [{ name, domain: domainOf(via) }]))
  const domains = [...new Set(ways.map(({ domain }) => domain))]
  if (domains.length === 0) return undefined
  const late = new Promise<undefined>((resolve) => over.addEventListener('abort', () => resolve(undefined), { once: true }))
  const looking = Promise.all(domains.map(async (domain) => [domain, (await keysFor(domain)).find(maySeal)] as const))
  // Whoever seals hears of it; if the message ends before, nobody does.
  looking.catch(() => undefined)
  return {
    async seal(message) {
      const seals = new Map<string, string>()
      try {
        const found = await Promise.race([looking, late])
        const byDomain = new Map((found ?? []).map(([domain, key]) => [domain, key && sealBy(key, message)]))
        for (const { name, domain } of ways) {
          const lines = byDomain.get(domain)
          if (lines !== undefined) seals.set(name, lines)
        }
      } catch (err) {
        log.error({ err, domains }, 'a message is sent on without a seal')
      }
      return seals
    },
  }
}
