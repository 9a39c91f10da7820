/** What becomes of a message that was accepted: staged once, queued for recipients elsewhere, and put into the inboxes, or the mailboxes for junk, of those here. */
import type { AccountAccess } from '../store/access.ts'
import type { Recipient } from '../store/accounts.ts'
import type { ContentStage, MailStore, StagedContent } from '../store/mailstore.ts'
import type { NewOutbound, Queue } from '../store/queue.ts'
import type { AccountId, ContentId } from '../store/types.ts'

export type DeliveryStore = Pick<MailStore, 'stage' | 'deliver'>

export interface AcceptanceDeps {
  readonly store: DeliveryStore
  /** For recipients elsewhere. */
  readonly queue?: Pick<Queue, 'enqueue'> | undefined
}

export interface Destinations {
  /** Whose the staged octets are. */
  readonly owner: AccountAccess
  /** No account twice. */
  readonly local: readonly Recipient[]
  /** Absent: nobody is elsewhere. */
  readonly remote?: NewOutbound | undefined
}

const NOBODY: ReadonlySet<AccountId> = new Set()

export interface Committed {
  /** Recipients who had it from an earlier attempt. */
  readonly again: number
  /** To be called when the client has heard the 250. */
  readonly confirm: () => void
  readonly content: ContentId
}

export class Acceptance {
  readonly #deps: AcceptanceDeps
  readonly #to: Destinations
  readonly #stage: ContentStage
  #staged: StagedContent | undefined
  /** From here on it is the store's: even a failed commit may have happened. */
  #handedOver = false

  /** `maxSize` octets with the lines on top. */
  constructor(deps: AcceptanceDeps, to: Destinations, maxSize: number) {
    this.#deps = deps
    this.#to = to
    this.#stage = deps.store.stage(to.owner, maxSize)
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#stage.write(chunk)
  }

  /** All octets are written, but for the lines on top: what can fail of a message for itself has failed after this. */
  async finish(top: Uint8Array): Promise<void> {
    this.#staged = await this.#stage.finish(top)
  }

  /**
   * Durable for all when it resolves. `attempt` as `MailStore.deliver` has it: what was done before a failure is found again by it, so that the client's next try does
   * only the rest. To those of `junk` who have a mailbox for it, it is junk.
   */
  async commit(internalDate: number, attempt: string, junk: ReadonlySet<AccountId> = NOBODY): Promise<Committed> {
    const staged = this.#staged
    if (staged === undefined) throw new Error('commit before finish')
    this.#handedOver = true
    const { local, remote, owner } = this.#to
    const { store, queue } = this.#deps
    const queued = remote && (await queue!.enqueue(owner, staged, remote, attempt))
    const stored = queued?.again === false
    const to = local.map(({ access, inbox, junk: other }) => ({
      to: access,
      mailbox: (junk.has(access.account) ? other : undefined) ?? inbox,
      knownBy: inbox,
      flags: [],
      stored: stored && access.account === owner.account,
    }))
    const delivered = to.length > 0 ? await store.deliver(staged, internalDate, to, attempt) : undefined
    const confirm = (): void => {
      queued?.confirm()
      delivered?.confirm()
    }
    return { again: (delivered?.again ?? 0) + (queued?.again ? remote!.recipients.length : 0), confirm, content: staged.id }
  }

  /** Forget it. After `commit` was called it changes nothing. */
  abort(): void {
    if (!this.#handedOver) this.#stage.discard()
  }
}
