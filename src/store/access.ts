/**
 * The right to touch an account's mail. Every verb of the store takes one, and only the store's drivers make them
 * (`test/arch.test.ts` holds that), so no protocol handler can reach a mailbox that nobody opened for it.
 */
import type { AccountId, MailboxId } from './types.ts'

const seal = Symbol('access')

/** An account that a login or a delivery was given. `actor` is who does it, for the logs: an address, or `delivery`. */
export class AccountAccess {
  readonly #seal = seal
  readonly account: AccountId
  readonly actor: string
  constructor(key: symbol, account: AccountId, actor: string) {
    if (key !== seal) throw new Error('an AccountAccess is made by the store')
    this.account = account
    this.actor = actor
    void this.#seal
  }
}

/** One mailbox of that account. `writable` is false after EXAMINE. */
export class MailboxAccess extends AccountAccess {
  readonly mailbox: MailboxId
  readonly writable: boolean
  constructor(key: symbol, on: { account: AccountId; mailbox: MailboxId; actor: string; writable: boolean }) {
    super(key, on.account, on.actor)
    this.mailbox = on.mailbox
    this.writable = on.writable
  }
}

export const grantAccount = (account: AccountId, actor: string): AccountAccess => new AccountAccess(seal, account, actor)
export const grantMailbox = (to: AccountAccess, mailbox: MailboxId, writable: boolean): MailboxAccess =>
  new MailboxAccess(seal, { account: to.account, actor: to.actor, mailbox, writable })
