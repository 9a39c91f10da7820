/** What becomes of a message that was accepted: staged once, queued for recipients elsewhere, and put into the inboxes, or the mailboxes for junk, of those here. */
import type { AccountAccess } from '../store/access.ts'
import type { Recipient } from '../store/accounts.ts'
import type { ContentStage, MailStore, SentWay, StagedContent } from '../store/mailstore.ts'
import type { NewOutbound, Queue } from '../store/queue.ts'
import type { AccountId, ContentId } from '../store/types.ts'

export type DeliveryStore = Pick<MailStore, 'stage' | 'deliver'>

export interface AcceptanceDeps {
  readonly store: DeliveryStore
  /** For recipients elsewhere. */
  readonly queue?: Pick<Queue, 'enqueue'> | undefined
}

/** One envelope in the queue. */
export interface Way {
  /** Whose the staged octets are. */
  readonly owner: AccountAccess
  readonly mail: NewOutbound
  /** Among the ways of the message. */
  readonly name: string
}

export interface Destinations {
  /** No account twice. */
  readonly local: readonly Recipient[]
  readonly ways: readonly Way[]
}

const NOBODY: ReadonlySet<AccountId> = new Set()

export interface Committed {
  /** Recipients who had it from an earlier attempt. */
  readonly again: number
  /** To be called when the client has heard the 250. */
  readonly confirm: () => void
  readonly content: ContentId
  /** What is in the queue. */
  readonly queued: readonly SentWay[]
}

interface Confirmable {
  confirm(): void
}

export class Acceptance {
  readonly #deps: AcceptanceDeps
  readonly #to: Destinations
  /** One for each way; the first is for those here too. */
  readonly #stages: readonly [ContentStage, ...ContentStage[]]
  #staged: readonly StagedContent[] | undefined
  /** From here on it is the store's: even a failed commit may have happened. */
  #handedOver = false

  /** `maxSize` octets with the lines on top. */
  constructor(deps: AcceptanceDeps, to: Destinations, maxSize: number) {
    const [first, ...more] = to.ways
    const owner = first?.owner ?? to.local[0]?.access
    if (owner === undefined) throw new Error('a message without an owner')
    this.#deps = deps
    this.#to = to
    this.#stages = [deps.store.stage(owner, maxSize), ...more.map((way) => deps.store.stage(way.owner, maxSize))]
  }

  write(chunk: Uint8Array): Promise<void> {
    const [first, ...more] = this.#stages
    return more.length === 0 ? first.write(chunk) : this.#writeAll(chunk)
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    for (const stage of this.#stages) await stage.write(chunk)
  }

  /** All octets are written, but for the lines on top: what can fail of a message for itself has failed after this. */
  async finish(top: Uint8Array): Promise<void> {
    const staged: StagedContent[] = []
    for (const stage of this.#stages) staged.push(await stage.finish(top))
    this.#staged = staged
  }

  /** As those here will have it, after `finish`. */
  get content(): ContentId {
    return this.staged.id
  }

  get staged(): StagedContent {
    if (this.#staged === undefined) throw new Error('a content before finish')
    return this.#staged[0]!
  }

  /** Something goes elsewhere. */
  get leaves(): boolean {
    return this.#to.ways.length > 0
  }

  /** For other octets, to the same. */
  anew(maxSize: number): Acceptance {
    return new Acceptance(this.#deps, this.#to, maxSize)
  }

  /**
   * Durable for all when it resolves. `attempt` as `MailStore.deliver` has it: what was done before a failure is found again by it, so that the client's next try does
   * only the rest. To those of `junk` who have a mailbox for it, it is junk. `to`: some of the destinations, where that is known only now. `notBefore`:
   * nothing that is queued goes earlier; milliseconds since 1970.
   */
  async commit(
    internalDate: number,
    attempt: string,
    { junk = NOBODY, to = this.#to, notBefore = 0 }: { junk?: ReadonlySet<AccountId>; to?: Destinations; notBefore?: number } = {},
  ): Promise<Committed> {
    const staged = this.#staged
    if (staged === undefined) throw new Error('commit before finish')
    this.#handedOver = true
    const { store, queue } = this.#deps
    const [first] = staged as readonly [StagedContent, ...StagedContent[]]
    const done: Confirmable[] = []
    const inQueue: SentWay[] = []
    let again = 0
    let stored = false
    for (const [at, way] of this.#to.ways.entries()) {
      const still = to.ways.find(({ name }) => name === way.name)
      if (!still) continue
      const mail = { ...still.mail, notBefore: Math.max(still.mail.notBefore, notBefore) }
      const queued = await queue!.enqueue(way.owner, staged[at]!, mail, way.name === '' ? attempt : `${attempt} ${way.name}`)
      done.push(queued)
      inQueue.push({ account: way.owner.account, content: queued.content, recipients: mail.recipients.length })
      if (queued.again) again += still.mail.recipients.length
      else if (at === 0) stored = true
    }
    const deliveries = to.local.map(({ access, inbox, junk: other }) => ({
      to: access,
      mailbox: (junk.has(access.account) ? other : undefined) ?? inbox,
      knownBy: inbox,
      flags: [],
      stored: stored && access.account === this.#to.ways[0]?.owner.account,
    }))
    if (deliveries.length > 0) {
      const delivered = await store.deliver(first, internalDate, deliveries, attempt)
      done.push(delivered)
      again += delivered.again
    }
    return { again, confirm: () => done.forEach((one) => void one.confirm()), content: first.id, queued: inQueue }
  }

  /** Forget it. After `commit` was called it changes nothing. */
  abort(): void {
    if (!this.#handedOver) for (const stage of this.#stages) stage.discard()
  }
}
