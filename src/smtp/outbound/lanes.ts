/**
 * Places for messages under way: in all, for each domain, and for each sender. A domain has one until it was reached: one that says nothing holds up no more than that.
 * Nobody's mail has all places, so somebody else's message never waits for his to be done.
 */
import type { AccountId } from '../../store/types.ts'

export interface LaneLimits {
  /** Messages under way at a time: in all, to one domain, of one account. */
  readonly total: number
  readonly perDomain: number
  readonly perAccount: number
}

/** What a lane is for. */
interface Between {
  readonly domain: string
  readonly account: AccountId
}

interface Domain {
  lanes: number
  /** Beside each other; fewer than the limit where the domain showed that it takes no more. */
  most: number
  reached: boolean
}

export interface Lane {
  /** Its domain took us: others may begin beside this one. Returns whether that is news. */
  reached(): boolean
  /** Its domain did not take us. false: it has others of ours, so it is there, and takes no more of them. */
  refused(): boolean
  leave(): void
}

export class Lanes {
  readonly #limits: LaneLimits
  readonly #domains = new Map<string, Domain>()
  readonly #accounts = new Map<AccountId, number>()
  #taken = 0

  constructor(limits: LaneLimits) {
    this.#limits = limits
  }

  get free(): number {
    return this.#limits.total - this.#taken
  }

  /** Domains and accounts that have what they may have. */
  get full(): { readonly domains: string[]; readonly accounts: AccountId[] } {
    return {
      domains: [...this.#domains.keys()].filter((domain) => !this.#hasRoom(domain)),
      accounts: [...this.#accounts].filter(([, lanes]) => lanes >= this.#limits.perAccount).map(([account]) => account),
    }
  }

  /** Those whose accounts have the fewest lanes first. */
  inTurn<T extends Between>(due: readonly T[]): T[] {
    const lanes = new Map(this.#accounts)
    return due.toSorted((a, b) => (lanes.get(a.account) ?? 0) - (lanes.get(b.account) ?? 0))
  }

  /** undefined: there is no place. */
  enter({ domain, account }: Between): Lane | undefined {
    const ofAccount = this.#accounts.get(account) ?? 0
    if (this.free <= 0 || ofAccount >= this.#limits.perAccount || !this.#hasRoom(domain)) return undefined
    const at = this.#domains.get(domain) ?? { lanes: 0, most: this.#limits.perDomain, reached: false }
    at.lanes++
    this.#domains.set(domain, at)
    this.#accounts.set(account, ofAccount + 1)
    this.#taken++
    return {
      reached() {
        const news = !at.reached
        at.reached = true
        return news
      },
      refused() {
        const alone = !at.reached || at.lanes === 1
        if (!alone) at.most = Math.min(at.most, at.lanes - 1)
        return alone
      },
      leave: () => {
        this.#taken--
        at.lanes--
        if (at.lanes === 0) this.#domains.delete(domain)
        const left = this.#accounts.get(account)! - 1
        if (left > 0) this.#accounts.set(account, left)
        else this.#accounts.delete(account)
      },
    }
  }

  #hasRoom(domain: string): boolean {
    const at = this.#domains.get(domain)
    return at === undefined || (at.reached && at.lanes < at.most)
  }
}
