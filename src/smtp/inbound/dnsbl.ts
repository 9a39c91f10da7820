/** What lists in the DNS say of a client: asked when it connects, and told when it names a recipient. RFC 5782. */
import type { Log } from '../../log.ts'
import type { MethodResult } from '../../mail/auth-results.ts'
import type { Dns } from '../../net/dns/dns.ts'
import { askList, listWords } from '../../net/dns/lists.ts'
import { Reply, sanitise } from '../reply.ts'

/** reject: nobody but postmaster and abuse gets its mail. junk: it is junk. mark: the message says so. allow: a list of good ones, whose servers are not greylisted. */
export const LIST_ACTIONS = ['reject', 'junk', 'mark', 'allow'] as const
export type ListAction = (typeof LIST_ACTIONS)[number]

export interface ListRule {
  readonly zone: string
  /** What others are told that it is called: a zone's own name may hold the key of who may ask it. */
  readonly name: string
  readonly action: ListAction
  /** Of the codes that it may have for an address, those that count. */
  readonly counts: (code: string) => boolean
}

export interface Listing {
  readonly rule: ListRule
  /** One that counts. */
  readonly code: string
}

export interface AddressListsOptions {
  readonly dns: Dns
  readonly rules: readonly ListRule[]
  readonly log: Log
  /** LOOK_MS if absent. */
  readonly lookMs?: number
}

/** From the connection on; what is not known then does not count. */
const LOOK_MS = 5_000
/** For its words, which nobody needs to be refused. */
const WORDS_MS = 1_000
const MAX_WORDS = 200
/** A list that gave no answer so often in a row is left alone for a while: it costs every client its time, and the DNS its places. */
const TROUBLES = 5
const REST_MS = 60_000
/** Questions to one list at a time: one that is slow leaves the DNS to the others, and to the mail that goes out. */
const MAX_ASKING = 50
/** How often that is worth a line of the log. */
const LOGGED_MS = 3_600_000

interface Health {
  asking: number
  troubles: number
  restsUntil: number
  logged: number
}

export class AddressLists {
  readonly #o: AddressListsOptions
  readonly #health = new Map<string, Health>()

  constructor(options: AddressListsOptions) {
    this.#o = options
  }

  /** In the order of the rules. Rejects never. */
  async look(address: string): Promise<readonly Listing[]> {
    const found = new Map<ListRule, Listing>()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#o.lookMs ?? LOOK_MS)
    const asked = this.#o.rules.map(async (rule) => {
      const code = await this.#ask(rule, address)
      if (code !== undefined) found.set(rule, { rule, code })
    })
    await Promise.race([Promise.all(asked), late])
    clearTimeout(timer)
    return this.#o.rules.flatMap((rule) => found.get(rule) ?? [])
  }

  async #ask({ zone, name, counts }: ListRule, address: string): Promise<string | undefined> {
    const health = this.#healthOf(zone)
    if (health.restsUntil > performance.now() || health.asking >= MAX_ASKING) return undefined
    health.asking++
    const codes = await askList(this.#o.dns, zone, address).catch((err: unknown) => {
      this.#o.log.error({ err, list: name }, 'a list of addresses could not be asked')
      return undefined
    })
    health.asking--
    if (codes !== undefined) health.troubles = 0
    else if (++health.troubles >= TROUBLES) this.#rest(name, health)
    return codes?.find(counts)
  }

  #rest(list: string, health: Health): void {
    const now = performance.now()
    health.troubles = 0
    health.restsUntil = now + REST_MS
    if (now - health.logged < LOGGED_MS) return
    health.logged = now
    this.#o.log.warn({ list }, 'a list of addresses gives no answer that can be believed, and does not count: "postern doctor" looks why')
  }

  #healthOf(zone: string): Health {
    let health = this.#health.get(zone)
    if (health === undefined) {
      health = { asking: 0, troubles: 0, restsUntil: 0, logged: Number.NEGATIVE_INFINITY }
      this.#health.set(zone, health)
    }
    return health
  }

  /** What a client hears that is on this list. */
  async refusal({ rule: { zone, name } }: Listing, address: string): Promise<Reply> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(resolve, WORDS_MS, undefined)
    const words = sanitise((await Promise.race([listWords(this.#o.dns, zone, address), late])) ?? '').slice(0, MAX_WORDS)
    clearTimeout(timer)
    return new Reply(550, '5.7.1', `${address} is listed by ${name}${words === '' ? '' : `: ${words}`}`)
  }
}

/** RFC 8904 for lists of good ones; for the others nobody has registered a method. */
export const listingResults = (listings: readonly Listing[], remote: string): MethodResult[] =>
  listings.map(({ rule: { name, action }, code }) => ({
    method: action === 'allow' ? 'dnswl' : 'x-dnsbl',
    result: action === 'allow' ? 'pass' : 'fail',
    properties: { 'dns.zone': name, 'policy.ip': code, 'smtp.remote-ip': remote },
  }))
