/** Local delivery: one message, staged once, into the inboxes of its local recipients in one durable step. */
import type { Recipient } from '../store/accounts.ts'
import type { ContentStage, Delivered, Delivery, MailStore, StagedContent } from '../store/mailstore.ts'
import type { ContentId } from '../store/types.ts'

export type DeliveryStore = Pick<MailStore, 'stage' | 'deliver'>

export class LocalDelivery {
  readonly #store: DeliveryStore
  readonly #to: readonly Delivery[]
  readonly #stage: ContentStage
  #staged: StagedContent | undefined
  /** From here on it is the store's: even a failed commit may have happened. */
  #handedOver = false

  /** `to`: at least one, no account twice. `maxSize` octets with the lines on top. */
  constructor(store: DeliveryStore, to: readonly Recipient[], maxSize: number) {
    this.#store = store
    this.#to = to.map(({ access, inbox }) => ({ to: access, mailbox: inbox, flags: [] }))
    this.#stage = store.stage(this.#to[0]!.to, maxSize)
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#stage.write(chunk)
  }

  /** All octets are written: what can fail of a message for itself has failed after this. */
  async finish(): Promise<void> {
    this.#staged = await this.#stage.finish()
  }

  /** Durable in all inboxes when it resolves. `attempt` as `MailStore.deliver` has it. */
  async commit(internalDate: number, attempt: string): Promise<Delivered & { readonly content: ContentId }> {
    const staged = this.#staged
    if (staged === undefined) throw new Error('commit before finish')
    this.#handedOver = true
    const { again, confirm } = await this.#store.deliver(staged, internalDate, this.#to, attempt)
    return { again, confirm, content: staged.id }
  }

  /** Forget it. After `commit` was called it changes nothing. */
  abort(): void {
    if (!this.#handedOver) this.#stage.discard()
  }
}
