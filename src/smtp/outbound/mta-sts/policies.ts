/** The policy that holds for a domain now: what is kept, renewed where the domain says that it has a new one or before it ends. RFC 8461 §3.3, §5.1. */
import type { Log } from '../../../log.ts'
import { type Dns, DnsTrouble, NoSuchName } from '../../../net/dns/dns.ts'
import type { KeptStsPolicy, StsPolicies } from '../../../store/mta-sts.ts'
import type { TlsFault } from '../../../store/tls-sessions.ts'
import { type FetchOptions, fetchPolicy, resultOf } from './fetch.ts'
import { stsIdOf } from './policy.ts'

/** Milliseconds: a policy that could not be fetched is not asked for again before. */
const RETRY_MS = 5 * 60_000
/** One older than this is fetched anew, so that nobody gets rid of it by being in the way when it ends. */
const RENEW_MS = 12 * 60 * 60_000
/** Domains whose policy could not be fetched lately. */
const MAX_FAILED = 10_000

export interface StsOptions extends FetchOptions {
  readonly policies: StsPolicies
  readonly log: Log
  readonly now?: () => number
}

export interface StsFound {
  /** undefined: the domain has none that could be had. */
  readonly policy?: KeptStsPolicy | undefined
  /** Why not, where it says that it has one. */
  readonly fault?: TlsFault | undefined
}

/** Throws what the store throws. */
export type StsPolicyOf = (domain: string) => Promise<StsFound>

export function stsPolicies(options: StsOptions): StsPolicyOf {
  const { policies, dns, log, now = Date.now } = options
  /** By domain and id. */
  const failed = new Map<string, { readonly until: number; readonly fault: TlsFault }>()
  const underWay = new Map<string, Promise<StsFound>>()

  async function fetchNow(domain: string, id: string): Promise<StsFound> {
    const key = `${domain} ${id}`
    const before = failed.get(key)
    if (before && before.until > now()) return { fault: before.fault }
    try {
      const { mode, mx, maxAge } = await fetchPolicy(domain, options)
      failed.delete(key)
      const fetched = now()
      const policy = { id, mode, mx, fetched, expires: fetched + maxAge * 1000 }
      // Where it cannot be kept it holds all the same.
      await policies.keep(domain, policy).catch((err: unknown) => log.warn({ err, domain }, 'an MTA-STS policy cannot be kept'))
      log.info({ domain, id, mode, mx: mx.slice(0, 10), maxAge }, 'an MTA-STS policy was fetched')
      return { policy }
    } catch (err) {
      const fault = { result: resultOf(err), reason: err instanceof Error ? err.message : String(err) }
      log.info({ domain, id, why: fault.reason }, 'an MTA-STS policy cannot be fetched now')
      failed.delete(key)
      if (failed.size >= MAX_FAILED) failed.delete(failed.keys().next().value!)
      failed.set(key, { until: now() + RETRY_MS, fault })
      return { fault }
    }
  }

  /** One at a time for a domain, however many messages wait for it. */
  function fetchOnce(domain: string, id: string): Promise<StsFound> {
    const key = `${domain} ${id}`
    const under = underWay.get(key) ?? fetchNow(domain, id).finally(() => underWay.delete(key))
    underWay.set(key, under)
    return under
  }

  return async (domain) => {
    const [kept, id] = await Promise.all([policies.find(domain), idOf(domain, dns)])
    const holds = kept && kept.expires > now() ? kept : undefined
    if (id === undefined) return { policy: holds }
    if (!holds || holds.id !== id) {
      const found = await fetchOnce(domain, id)
      return found.policy || !holds ? found : { policy: holds }
    }
    if (now() - holds.fetched > RENEW_MS) void fetchOnce(domain, id)
    return { policy: holds }
  }
}

/** undefined: there is no record, or nobody can tell now; a policy that is kept holds all the same. */
async function idOf(domain: string, dns: Dns): Promise<string | undefined> {
  try {
    return stsIdOf((await dns.ask(`_mta-sts.${domain}`, 'TXT')).records)
  } catch (err) {
    if (err instanceof NoSuchName || err instanceof DnsTrouble) return undefined
    throw err
  }
}
