/** What was computed of contents for sorting and threading: kept, as contents never change, up to a number of octets in all. */
import type { AccountId, ContentId } from '../../store/types.ts'

/** Of one kind of keys, in the whole process. Some 200,000 messages. */
export const MAX_BYTES = 64 * 1024 * 1024
/** An entry without its texts. */
const ENTRY_BYTES = 200

interface Kept<T> {
  readonly keys: T
  readonly bytes: number
}

export class KeyCache<T> {
  readonly #max: number
  /** The account that was looked at last stands last. */
  readonly #accounts = new Map<AccountId, Map<ContentId, Kept<T>>>()
  #bytes = 0

  constructor(max = MAX_BYTES) {
    this.#max = max
  }

  get bytes(): number {
    return this.#bytes
  }

  get(account: AccountId, content: ContentId): T | undefined {
    return this.#accounts.get(account)?.get(content)?.keys
  }

  /** `texts`: characters that the keys hold. */
  set(account: AccountId, content: ContentId, keys: T, texts: number): void {
    let of = this.#accounts.get(account)
    if (!of) this.#accounts.set(account, (of = new Map()))
    const bytes = texts + ENTRY_BYTES
    this.#bytes += bytes - (of.get(content)?.bytes ?? 0)
    of.set(content, { keys, bytes })
    if (this.#bytes > this.#max) this.#evict()
  }

  /** The account is in use: others go first. */
  use(account: AccountId): void {
    const of = this.#accounts.get(account)
    if (!of) return
    this.#accounts.delete(account)
    this.#accounts.set(account, of)
  }

  #evict(): void {
    for (const [account, of] of this.#accounts) {
      for (const [content, { bytes }] of of) {
        of.delete(content)
        this.#bytes -= bytes
        if (this.#bytes <= this.#max) break
      }
      if (of.size === 0) this.#accounts.delete(account)
      if (this.#bytes <= this.#max) return
    }
  }
}
