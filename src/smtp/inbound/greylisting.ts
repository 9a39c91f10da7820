/**
 * Who is not known is told to come again in a while: servers do, and what sends a million messages from borrowed machines mostly does not. RFC 6647.
 *
 * Asked at RCPT, of people here, once nobody else refuses: there all of what a try is known by is there, each recipient has an answer of its own, and nothing was sent in vain. The null sender is
 * answered at the message: who only asks whether an address exists, before taking mail from it, has no message, and would keep our own mail waiting.
 */
import { isIPv4 } from 'node:net'
import type { Log } from '../../log.ts'
import { canonical, canonicalDomain, withoutTag } from '../../mail/address.ts'
import type { Dns } from '../../net/dns/dns.ts'
import type { Greylist, GreylistRules } from '../../store/greylist.ts'
import { networkOf } from '../../store/remote.ts'
import { Reply } from '../reply.ts'
import type { Transaction, Visit } from '../visit.ts'
import { boundedResolver } from './resolver.ts'

export interface GreylistingOptions {
  readonly greylist: Greylist
  readonly rules: GreylistRules
  /** The domain that SPF lets this client send for; undefined: none, or not known. */
  readonly domainOf: (visit: Visit) => Promise<string | undefined>
  readonly log: Log
}

/** What SPF needs of the DNS, at RCPT; a client that is not vouched for by then counts by its network. */
const SPF_MS = 5_000

export class Greylisting {
  readonly #o: GreylistingOptions
  readonly #trusted = new WeakSet<Transaction>()
  readonly #domains = new WeakMap<Transaction, Promise<string | undefined>>()

  constructor(options: GreylistingOptions) {
    this.#o = options
  }

  /** Throws Reply. A greylist that cannot be asked keeps nothing out. */
  async check(recipient: string, visit: Visit): Promise<void> {
    const { greylist, rules, log } = this.#o
    const { transaction, remote, connection } = visit
    if (this.#trusted.has(transaction)) return
    const network = greylistedNetwork(remote)
    const from = senderKey(transaction.from)
    const to = canonical(recipient) ?? recipient.toLowerCase()
    const client = (await this.#domain(visit)) ?? network
    const greeting = await greylist.greet({ client, network, from, to }, rules).catch((err: unknown) => {
      log.warn({ err: err instanceof Error ? err.message : String(err), remote }, 'the greylist could not be asked, and kept nobody out')
      return undefined
    })
    if (greeting?.is === 'trusted') this.#trusted.add(transaction)
    if (greeting?.is !== 'early') return
    connection.log.info({ remote, client, from: transaction.from, to: recipient, waits: greeting.waits }, 'greylisted')
    throw new Reply(451, '4.7.1', `Greylisted: try again in ${greeting.waits} seconds`)
  }

  #domain(visit: Visit): Promise<string | undefined> {
    const { transaction } = visit
    let domain = this.#domains.get(transaction)
    if (domain === undefined) {
      domain = this.#o.domainOf(visit).catch(() => undefined)
      this.#domains.set(transaction, domain)
    }
    return domain
  }
}

/** The next try may come from the host beside: /24 of IPv4, /64 of IPv6. */
export function greylistedNetwork(remote: string): string {
  const network = networkOf(remote)
  return isIPv4(network) ? `${network.slice(0, network.lastIndexOf('.'))}.0/24` : network
}

/** Senders that are another one for each message (lists that count them) are the same here. */
export function senderKey(from: string): string {
  const address = withoutTag(canonical(from) ?? from.toLowerCase())
  const at = address.lastIndexOf('@')
  return at < 0 ? address : address.slice(0, at).replace(/\b\d+\b/g, '#') + address.slice(at)
}

/** Large senders try again from any of hundreds of addresses: where SPF passes, they are known by the domain that it passed for. */
export const spfDomain =
  (dns: Dns, hostname: string) =>
  async ({ remote, session, transaction: { from } }: Visit): Promise<string | undefined> => {
    const over = AbortSignal.timeout(SPF_MS)
    const { spfOf } = await import('./verify.ts')
    const { result, domain } = await spfOf({ ip: remote, helo: session.hostNameAppearsAs || 'unknown', from }, hostname, boundedResolver(dns, over))
    return result === 'pass' ? canonicalDomain(domain) : undefined
  }
