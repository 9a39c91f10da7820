/** Who comes to port 25, before anybody looks at what he brings: what lists say of his address, and whether he comes again when he is told to. */
import { authenticationResults } from '../../mail/auth-results.ts'
import type { Recipient } from '../../store/accounts.ts'
import { isAllowed, isBlocked } from '../blocked.ts'
import { readersOf } from '../onward.ts'
import type { Inspection } from '../policies/policy.ts'
import type { Reply } from '../reply.ts'
import type { Visit } from '../visit.ts'
import { isContact } from '../vote.ts'
import { type AddressLists, type Listing, listingResults } from './dnsbl.ts'
import type { Greylisting } from './greylisting.ts'

export interface ScreenParts {
  /** The authserv-id. */
  readonly hostname: string
  /** Absent: none is asked. */
  readonly lists?: AddressLists | undefined
  /** Absent: nobody has to come again. */
  readonly greylisting?: Greylisting | undefined
  /** Addresses that all of this is not for: this host's, those that hide others, and those that the config names. */
  readonly isExempt: (address: string) => boolean
}

const NONE: readonly Listing[] = []

export class Screen {
  readonly #o: ScreenParts
  readonly #looks = new WeakMap<Visit, Promise<readonly Listing[]>>()

  constructor(parts: ScreenParts) {
    this.#o = parts
  }

  /** Lists are asked while the client says hello. */
  arrived(visit: Visit): void {
    void this.#listings(visit)
  }

  #listings(visit: Visit): Promise<readonly Listing[]> {
    const { lists, isExempt } = this.#o
    let looks = this.#looks.get(visit)
    if (looks === undefined) {
      looks = !lists || isExempt(visit.remote) ? Promise.resolve(NONE) : lists.look(visit.remote)
      this.#looks.set(visit, looks)
    }
    return looks
  }

  /** How it is refused. At RCPT and no sooner, so that postmaster can be written to. */
  async listed(recipient: string, visit: Visit): Promise<Reply | undefined> {
    const rejecting = (await this.#listings(visit)).find(({ rule }) => rule.action === 'reject')
    if (rejecting === undefined || isContact(recipient)) return undefined
    const refusal = await this.#o.lists!.refusal(rejecting, visit.remote)
    visit.connection.log.info({ remote: visit.remote, from: visit.transaction.from, to: recipient, reply: refusal.line }, 'listed client refused')
    return refusal
  }

  /** For somebody here. Throws Reply. */
  async welcome({ inbound, list }: Recipient, address: string, visit: Visit): Promise<void> {
    const { from } = visit.transaction
    const own = list ? undefined : inbound
    // The null sender is for `checkNotice`; who is blocked hears so at once.
    if (from !== '' && !isAllowed(from, own) && !isBlocked(from, own)) await this.#greylist(address, visit)
  }

  /** A message from the null sender: that it comes again is one fact, whoever it is for. Throws Reply. */
  async checkNotice(visit: Visit): Promise<void> {
    const { from, accepted } = visit.transaction
    const first = from === '' ? [...accepted].find((address) => !isContact(address)) : undefined
    if (first !== undefined) await this.#greylist(first, visit)
  }

  async #greylist(address: string, visit: Visit): Promise<void> {
    const { greylisting, isExempt } = this.#o
    if (!greylisting || isExempt(visit.remote) || isContact(address)) return
    if ((await this.#listings(visit)).some(({ rule }) => rule.action === 'allow')) return
    await greylisting.check(address, visit)
  }

  /** Says of a message what lists have of who brings it. */
  async inspect(visit: Visit): Promise<Inspection | undefined> {
    const listings = await this.#listings(visit)
    if (listings.length === 0) return undefined
    const lines = authenticationResults(this.#o.hostname, listingResults(listings, visit.remote))
    const isJunk = listings.some(({ rule }) => rule.action === 'junk')
    return {
      write: () => undefined,
      async finish() {
        const junk = isJunk ? readersOf(visit.transaction).map(({ access }) => access.account) : []
        return { lines, junk: new Set(junk) }
      },
      abort: () => undefined,
    }
  }
}
