/** Accounts and addresses: who may log in, who gets mail. The config file says which exist; Postgres holds them for all processes. */
import type { AccountAccess } from './access.ts'
import type { Pop3Policy, Pop3Settings } from './pop3-policy.ts'
import type { SubmissionPolicy, SubmissionSettings } from './submission-policy.ts'
import type { AccountId, MailboxId } from './types.ts'

/** Protocols that an app password may be used with. */
export const SCOPES = ['imap', 'pop3', 'smtp'] as const
export type Scope = (typeof SCOPES)[number]

/** A password for one program: random, so that a fast hash protects it. */
export interface AppPassword {
  /** Unique within its account. */
  readonly name: string
  /** `$sha256$…`: auth/app-password.ts. */
  readonly hash: string
  /** `SCRAM-SHA-256$…`: auth/scram.ts. */
  readonly scram?: string | undefined
  readonly scopes: readonly Scope[]
  /** IMAP capabilities that sessions with it do without. */
  readonly disable: readonly string[]
  /** Over the account's. */
  readonly pop3?: Pop3Settings | undefined
  readonly submission?: SubmissionSettings | undefined
}

/** One mailbox of the config file, as `reconcile` takes it. Addresses are canonical: see mail/address.ts `canonical`. */
export interface WantedAccount {
  readonly address: string
  /** Other addresses whose mail it gets and that it may send as. */
  readonly aliases: readonly string[]
  /** PHC string, `$argon2id$…`. */
  readonly passwordHash: string
  readonly displayName?: string | undefined
  /** Octets; undefined: no limit. */
  readonly quota?: number | undefined
  /** Absent: the defaults. */
  readonly pop3?: Pop3Settings | undefined
  readonly submission?: SubmissionSettings | undefined
  /** `SCRAM-SHA-256$…`, of the same password; empty: none. */
  readonly scram?: string
  readonly appPasswords?: readonly AppPassword[]
  /** IMAP capabilities that it does without. */
  readonly disable?: readonly string[]
  /** Absent: it just gets its mail. */
  readonly inbound?: Inbound | undefined
}

/** What an account does with mail before it is its own. Addresses are canonical; those to forward to, forward-paths. */
export interface Inbound {
  /** `keep`: a copy stays here. */
  readonly forward?: { readonly to: readonly string[]; readonly keep: boolean }
  /** Senders, or domains of senders with those below them, whose mail is refused; those of `allow` never are. */
  readonly block?: readonly string[]
  readonly allow?: readonly string[]
}

/** An address of several people; whole, without lists in it. */
export interface WantedList {
  readonly address: string
  /** The account that hears what became of its mail, by its own address. */
  readonly owner: string
  /** Accounts, by their own addresses. */
  readonly members: readonly string[]
  /** Members elsewhere: forward-paths. */
  readonly onward: readonly string[]
}

/** A mailbox of nobody in particular. */
export interface WantedPublic {
  readonly name: string
  /** By identifier (store/rights.ts), the letters of RFC 4314. */
  readonly rights: Readonly<Record<string, string>>
}

export interface WantedState {
  /** Canonical local domains. */
  readonly domains: readonly string[]
  readonly accounts: readonly WantedAccount[]
  /** Absent: none. */
  readonly public?: readonly WantedPublic[]
  /** Absent: none. */
  readonly lists?: readonly WantedList[]
  /** By local domain, the account that gets what is for no address of it. Absent: nobody. */
  readonly catchAll?: Readonly<Record<string, string>>
}

/** Which file a state was read from: of two that differ the newer one counts. */
export interface ConfigFile {
  /** Its own `generation`, 0 if it names none: a higher number is newer, whatever the clocks say. */
  readonly number: number
  /** When it was written, milliseconds since 1970: between files of the same number. */
  readonly time: number
  /** Host and path. The file that was applied last may say anything: it was edited. */
  readonly origin: string
}

export interface Login {
  readonly account: AccountId
  readonly address: string
  readonly passwordHash: string
  /** Rises with every change of the password, when an app password is taken away, and when it is disabled. */
  readonly version: number
  readonly enabled: boolean
  readonly pop3: Pop3Policy
  readonly submission: SubmissionPolicy
  /** The app password that this login was with. */
  readonly app?: string | undefined
  /** Whether messages of it may have POP3 unique-ids from another server. */
  readonly importedUidls?: boolean
  /** `SCRAM-SHA-256$…`; empty: none. */
  readonly scram: string
  readonly appPasswords: readonly AppPassword[]
  /** IMAP capabilities that its sessions do without. */
  readonly disable: readonly string[]
}

export interface Recipient {
  readonly access: AccountAccess
  readonly inbox: MailboxId
  /** Its mailbox for junk; absent: it has none. */
  readonly junk?: MailboxId | undefined
  readonly used: number
  readonly quota: number | undefined
  /** The account's own. */
  readonly address?: string
  /** Absent: it just gets its mail. */
  readonly inbound?: Inbound | undefined
  /** Absent: the address is of this account alone. Else this is the owner of a list. */
  readonly list?: RecipientList | undefined
}

export interface RecipientList {
  readonly address: string
  readonly members: readonly Recipient[]
  /** Forward-paths. */
  readonly onward: readonly string[]
}

export interface Accounts {
  /**
   * Brings Postgres to what the file says, in one transaction; absence disables, nothing is deleted. `false`: an unchanged state was applied before. OlderConfig when
   * `file` is older than the one that was applied last and says something else; without `file` it is always applied.
   */
  reconcile(wanted: WantedState, file?: ConfigFile): Promise<boolean>
  /** By any canonical address of the account that may log in (its own address, not an alias). */
  login(address: string): Promise<Login | undefined>
  /** The longest that any account, or an app password of one, has to wait from one POP3 login to the next; 0: nobody has to. Seconds. */
  longestLoginDelay(): Promise<number>
  /** Octets that stand in for the salt of a user that is not there: always the same for the same name, in every process, and nobody else can tell them. */
  decoy(name: string): Promise<Buffer>
  /** After the password was verified: the right to the account's mail. */
  grant(login: Login): AccountAccess
  /** Octets that key what leads back to senders of forwarded mail: the same in every process, and nobody else can tell them. */
  forwardingKey(): Promise<Buffer>
  /** undefined: no such user here. `+tag`, aliases, lists and what is for nobody are resolved, in this order. Disabled accounts get no mail. */
  recipient(address: string): Promise<Recipient | undefined>
  /** Whether the domain of this canonical address is served here. */
  isLocal(domain: string): Promise<boolean>
  /** Every domain that is, in the order of its letters. */
  domains(): Promise<readonly string[]>
  /** Whether the account may write this address into MAIL FROM or From. */
  owns(account: AccountId, address: string): Promise<boolean>
}
