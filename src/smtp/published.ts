/**
 * Which keys sign: of each kind the newest that the world can look up. A key that is made signs nothing until its record is in the DNS, and one whose record is taken
 * away signs no more; so keys are exchanged without a moment in between, and without anybody saying when.
 */
import type { Log } from '../log.ts'
import { dkimRecordName, isRecordOf } from '../mail/dkim-record.ts'
import { type Dns, NoSuchName } from '../net/dns/dns.ts'
import type { SigningKey, SigningKeys } from '../store/dkim.ts'
import type { DkimKey, KeysFor } from './signing.ts'

/** How long an answer counts: of a domain with keys that can be looked up, and of one without. Milliseconds. */
const KEPT_MS = 5 * 60_000
const RETRY_MS = 60_000
/** Domains that are remembered. */
const MAX_DOMAINS = 10_000

interface Known {
  readonly keys: readonly DkimKey[]
  readonly until: number
}

export interface PublishedOptions {
  readonly keys: Pick<SigningKeys, 'list'>
  readonly dns: Dns
  readonly log: Log
  readonly now?: () => number
}

/** Never throws: mail is not held up for a signature. */
export function publishedKeys({ keys, dns, log, now = () => performance.now() }: PublishedOptions): KeysFor {
  const known = new Map<string, Known>()
  const looking = new Map<string, Promise<readonly DkimKey[]>>()

  async function look(domain: string): Promise<readonly DkimKey[]> {
    const before = known.get(domain)
    try {
      const found = await newestPublished(await keys.list(domain), dns)
      remember(domain, { keys: found, until: now() + (found.length > 0 ? KEPT_MS : RETRY_MS) })
      const names = (of: readonly DkimKey[]): string => of.map(({ selector }) => selector).join(' ')
      if (names(found) !== names(before?.keys ?? [])) log.info({ domain, selectors: names(found) }, 'mail of this domain is signed with')
      return found
    } catch (err) {
      log.warn({ err: err instanceof Error ? err.message : String(err), domain }, 'which DKIM keys are published cannot be looked up now')
      remember(domain, { keys: before?.keys ?? [], until: now() + RETRY_MS })
      return before?.keys ?? []
    }
  }

  function remember(domain: string, one: Known): void {
    known.delete(domain)
    if (known.size >= MAX_DOMAINS) known.delete(known.keys().next().value!)
    known.set(domain, one)
  }

  return async (domain) => {
    const one = known.get(domain)
    if (one && one.until > now()) return one.keys
    let under = looking.get(domain)
    if (!under) {
      under = look(domain).finally(() => looking.delete(domain))
      looking.set(domain, under)
    }
    // What was known goes on while it is looked up again.
    return one && one.keys.length > 0 ? one.keys : under
  }
}

/** Throws DnsTrouble where it cannot be told. */
export async function newestPublished(all: readonly SigningKey[], dns: Dns): Promise<SigningKey[]> {
  const found = new Map<SigningKey['algorithm'], SigningKey>()
  for (const key of all) if (!found.has(key.algorithm) && (await isPublished(key, dns))) found.set(key.algorithm, key)
  return [...found.values()].sort((a, b) => (a.algorithm < b.algorithm ? 1 : -1))
}

export async function isPublished({ domain, selector, privateKey }: SigningKey, dns: Dns): Promise<boolean> {
  try {
    const { records } = await dns.ask(dkimRecordName(domain, selector), 'TXT')
    return records.some((record) => isRecordOf(record, privateKey))
  } catch (err) {
    if (err instanceof NoSuchName) return false
    throw err
  }
}
