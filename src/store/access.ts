/**
 * The right to touch mail. Every verb of the store takes one, and only the store's drivers make them (`test/arch.test.ts` holds that), so no protocol handler can
 * reach a mailbox that nobody opened for it. The right to a mailbox is none to the account that it belongs to: the mailbox may be another's.
 */
import { Refusal } from './errors.ts'
import { ALL_RIGHTS, mayWrite, type Right, type Rights } from './rights.ts'
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

export interface MailboxOf {
  readonly account: AccountId
  readonly mailbox: MailboxId
  /** Who opened it. */
  readonly by: AccountAccess
  readonly rights: Rights
  /** Asked for: SELECT, not EXAMINE. */
  readonly writable: boolean
}

/** One mailbox, of the account itself or of another one that shares it. */
export class MailboxAccess {
  /** Whose mailbox it is: its mail, its quota. */
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly by: AccountAccess
  /** false after EXAMINE, and where no right to change anything was there when it was opened. */
  readonly writable: boolean
  #rights: Rights
  constructor(key: symbol, on: MailboxOf) {
    if (key !== seal) throw new Error('a MailboxAccess is made by the store')
    this.account = on.account
    this.mailbox = on.mailbox
    this.by = on.by
    this.writable = on.writable && mayWrite(on.rights)
    this.#rights = on.rights
  }

  /** Whether it is the actor's own. */
  get own(): boolean {
    return this.account === this.by.account
  }
  /** What the actor may do, as far as this process knows. */
  get rights(): Rights {
    return this.#rights
  }
  may(right: Right): boolean {
    return this.#rights.includes(right)
  }

  /** Throws Refusal where one of the rights is missing: to whom may not look it up, the mailbox does not exist (RFC 4314 §6). */
  need(...rights: readonly Right[]): void {
    if (rights.every((right) => this.may(right))) return
    throw this.refusal()
  }
  refusal(): Refusal {
    return this.may('l') ? notPermitted() : nonexistent()
  }
  /** The same for what changes the mailbox. */
  needToWrite(...rights: readonly Right[]): void {
    this.need(...rights)
    if (!this.writable) throw new Refusal('read-only', 'the mailbox was opened read-only')
  }

  /** The owner gave or took. */
  regrant(key: symbol, rights: Rights): void {
    if (key !== seal) throw new Error('rights are given by the store')
    this.#rights = rights
  }
}

export const notPermitted = (): Refusal => new Refusal('not-permitted', 'you have no right to do that with this mailbox')
export const nonexistent = (): Refusal => new Refusal('nonexistent', 'there is no such mailbox')

export const grantAccount = (account: AccountId, actor: string): AccountAccess => new AccountAccess(seal, account, actor)
/** A mailbox of the account's own. */
export const grantMailbox = (to: AccountAccess, mailbox: MailboxId, writable: boolean): MailboxAccess =>
  new MailboxAccess(seal, { account: to.account, mailbox, by: to, rights: ALL_RIGHTS, writable })
/** A mailbox of another account, with what its access control list gives. */
export const grantShared = (on: MailboxOf): MailboxAccess => new MailboxAccess(seal, on)
export const regrant = (on: MailboxAccess, rights: Rights): void => on.regrant(seal, rights)
