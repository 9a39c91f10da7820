/**
 * The mailbox verbs. Protocols call these and get data; no sockets, tags or sequence numbers below, no SQL above.
 * Each verb that changes something returns only after its transaction is durable (synchronous_commit=on), throws `Refusal` for what it will not do,
 * and `Unavailable` when the database cannot be asked.
 */
import type { TextPlace } from '../mail/grams.ts'
import type { AccountAccess, MailboxAccess } from './access.ts'
import type { MailboxIndex } from './index.ts'
import type { Lease } from './lease.ts'
import type { MetadataChange, MetadataEntry, MetadataQuery, MetadataVersions, NotedOf } from './metadata.ts'
import type { Pop3Policy, Took } from './pop3-policy.ts'
import type { AclChange, AclEntry, Right, Rights } from './rights.ts'
import type { AccountId, ContentId, MailboxId, ModSeq, SpecialUse, Uid } from './types.ts'
import type { UidRanges } from './uidset.ts'
import type { View } from './view.ts'

export interface MailboxInfo {
  /** Whose it is. */
  readonly account: AccountId
  readonly id: MailboxId
  /** Unicode, levels divided by HIERARCHY_DELIMITER; `INBOX` exactly for the inbox. */
  readonly name: string
  readonly specialUse?: SpecialUse | undefined
  /** Of somebody else's mailbox: what may be done with it. Absent: everything. */
  readonly rights?: Rights
}

/** Where mailboxes of others have their names, with the delimiter at the end (RFC 2342 §5). */
export interface Namespaces {
  /** Of other users. */
  readonly others: string | undefined
  /** Of nobody in particular. */
  readonly shared: string | undefined
}

/** What costs more than a row, and is only counted where asked. */
export interface StatusWant {
  readonly deleted?: boolean
}

/** Messages with \Deleted, and their octets. */
export interface DeletedStatus {
  readonly messages: number
  readonly bytes: number
}

/** One row of counters, O(1) however many messages there are. */
export interface MailboxStatus {
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly uidvalidity: number
  readonly uidnext: Uid
  readonly modseq: ModSeq
  readonly exists: number
  readonly unseen: number
  readonly recent: number
  readonly bytes: number
  /** Where it was wanted. */
  readonly deleted?: DeletedStatus
}

/** A message whose bytes are in the store, or in memory on their way, and belong to no mailbox yet. */
export interface StagedContent {
  readonly account: AccountId
  readonly id: ContentId
  /** Octets, as RFC822.SIZE counts them. */
  readonly size: number
  /** Hex SHA-256 of all octets. */
  readonly sha256: string
  /** The header block, blank line included. */
  readonly header: Buffer
}

/** What was staged, to be read before it is anywhere. */
export interface StagedText {
  /** As `Contents` has them. */
  readonly parts: Uint8Array
  /** Octets from … to (exclusive), in pieces ≤ 256 KiB. Throws Unavailable, and Error where it is gone. */
  read(from: number, to: number): AsyncIterable<Buffer>
}

/** Takes the octets of one message in order. At most 256 KiB of it are in memory at a time. */
export interface ContentStage {
  /** Resolves when more may be written. Throws Refusal `too-big` beyond the limit given to `stage`. */
  write(chunk: Uint8Array): Promise<void>
  /** All octets were written; whole header lines may be put on top of them now, with CRLF. */
  finish(top?: Uint8Array): Promise<StagedContent>
  /** Forget it; safe to call after `finish` and twice. */
  discard(): void
}

export interface NewMessage {
  readonly content: StagedContent
  /** System flags and keywords by name; `\Recent` is no flag to set. */
  readonly flags: readonly string[]
  /** Milliseconds since 1970. */
  readonly internalDate: number
}

export interface Appended {
  readonly uidvalidity: number
  readonly uids: UidRanges
  readonly modseq: ModSeq
}

export interface Copied {
  readonly uidvalidity: number
  /** Source UIDs that existed, and the UIDs they got, in the same order (RFC 4315 §3 COPYUID). */
  readonly from: UidRanges
  readonly to: UidRanges
}

export interface FlagsOp {
  readonly mode: 'add' | 'remove' | 'replace'
  readonly names: readonly string[]
  /** RFC 7162 §3.1.3: leave alone, and report, what changed after this. 0: also what has one of the flags, where all of them are keywords; else everything. */
  readonly unchangedSince?: ModSeq
}

export interface FlagsDone {
  /** Undefined when nothing had to change. More than one where MAX_CHANGE_MESSAGES divides the set. */
  readonly modseqs: readonly ModSeq[]
  readonly changed: UidRanges
  readonly modified: UidRanges
}

export interface ExpungeOp {
  /** All messages when undefined. UIDs that do not exist are passed over. */
  readonly uids?: UidRanges
  /** true: of those only what has \Deleted (EXPUNGE, UID EXPUNGE). false: all of them. */
  readonly deletedOnly: boolean
}

export interface Expunged {
  /** What went. */
  readonly uids: UidRanges
  /** As in FlagsDone. */
  readonly modseqs: readonly ModSeq[]
}

/** What a POP3 session comes to at QUIT. UIDs that are gone by then are passed over. */
export interface MaildropOp extends Took {
  readonly policy: Pop3Policy
  /** The app password that it logged in with. */
  readonly app?: string | undefined
  /** Nothing is done unless this lease still holds, checked in the same transaction; Refusal 'gone' if not. */
  readonly fence: Lease
}

/** How many messages each happened to. */
export interface MaildropSettled {
  readonly expunged: number
  readonly hidden: number
  readonly moved: number
  /** Were not \Seen before. */
  readonly seen: number
}

/** By mid. */
export interface ImportedUidls {
  readonly size: number
  of(mid: number): string | undefined
}

/** What may be asked of a content, beside its size. */
export type ContentColumn = 'envelope' | 'bodystructure' | 'parts' | 'preview' | 'header' | 'body'

/** Buffers below 16 KiB hold until the next row is asked for, or the reading is left: copy what is kept longer. */
export interface ContentRow {
  readonly id: ContentId
  /** It no longer exists, and there is nothing else to be had of it. */
  readonly gone?: true
  /** As they go on the wire, without the item's name: `(…)`. */
  readonly envelope?: Buffer | undefined
  readonly bodystructure?: Buffer | undefined
  /** The part offsets that `mail/parts.ts` reads. */
  readonly parts?: Buffer | undefined
  /** The first words, UTF-8, from `mail/preview.ts`. */
  readonly preview?: Buffer | undefined
  /** The header block, blank line included. */
  readonly header?: Buffer | undefined
  /** What follows the header block, where it is at most one chunk (256 KiB); `undefined` where `read` must be used. */
  readonly body?: Buffer | undefined
}

/** A content, by itself or with the octets of its message: with those, batches that have bodies are cut by them. */
export type Asked = ContentId | { readonly id: ContentId; readonly size: number }

/** Rows of contents one by one; or, for whom a promise for each would be too much, by the batch. A batch is gone through once. */
export interface Contents extends AsyncIterable<ContentRow> {
  batches(): AsyncGenerator<Iterable<ContentRow>>
}

/** A text, canonical (mail/canonical.ts), and where a message is to have it. */
export interface TextProbe {
  readonly place: TextPlace
  readonly text: string
}

/** One local recipient of a delivery. */
export interface Delivery {
  readonly to: AccountAccess
  /** Where it goes; a mailbox that is gone by then means INBOX. */
  readonly mailbox: MailboxId
  readonly flags: readonly string[]
  /** By this mailbox a retry is found again, if not by the one that it goes to: where it goes may change from one attempt to the next. */
  readonly knownBy?: MailboxId
  /** This content of this account is in the database already: it was queued too (store/queue.ts). */
  readonly stored?: boolean
}

/** What the server keeps of a message that its account sends. */
export interface SentCopy {
  readonly content: StagedContent
  /** Milliseconds since 1970. */
  readonly internalDate: number
  /** The message waits, and can be taken back by its copy. */
  readonly held?: {
    /** Milliseconds since 1970. */
    readonly until: number
    readonly ways: readonly SentWay[]
  }
}

/** A message in the queue, and for how many recipients. */
export interface SentWay {
  readonly account: AccountId
  readonly content: ContentId
  readonly recipients: number
}

/** A delivery that is durable. */
export interface Delivered {
  /** Mailboxes that had it already: what came was a retry, and nothing was written for them. */
  readonly again: number
  /** The sender knows: the same `attempt` from now on is another message. */
  confirm(): void
}

export interface MailboxWatcher {
  /** Something was applied to the index: sync may have news. Called at most once per applied batch; never throws. */
  changed(): void
  /** The mailbox was deleted, or its account was; or the session cannot go on with it, and is told `why`. */
  gone(why?: string): void
}

/** A selected mailbox: the shared index, this session's view of it. Close it in every case. */
export interface SelectedMailbox extends AsyncDisposable {
  readonly access: MailboxAccess
  readonly index: MailboxIndex
  readonly view: View
  /** Bring the index up to the log. `maybe`: only if the bus has been silent too long to be trusted. */
  refresh(how: 'now' | 'maybe'): Promise<void>
  /**
   * Before anything is told of the index of somebody else's mailbox: asks whether it may still be read. Refusal 'not-permitted' or 'nonexistent', Unavailable. Nothing to
   * wait for where it is one's own.
   */
  mayGoOn(): Promise<void> | undefined
  /** Claims what no session was told to be recent; [first, last] UIDs, or undefined. Nothing is claimed on a read-only access. */
  claimRecent(): Promise<readonly [Uid, Uid] | undefined>
  close(): Promise<void>
}

/** Hears of what happens to mailboxes. Close it in every case. */
export interface AccountWatch {
  /** Something may have been missed for too long: whoever relies on it has to look. */
  readonly deaf: boolean
  close(): void
}

export interface MailStore {
  /** The account's own, and those of others that it may look up. */
  mailboxes(a: AccountAccess): Promise<MailboxInfo[]>
  namespaces(a: AccountAccess): Promise<Namespaces>
  subscriptions(a: AccountAccess): Promise<string[]>
  subscribe(a: AccountAccess, name: string, on: boolean): Promise<void>
  /**
   * Refusal 'nonexistent'. `INBOX` in any case is the inbox. Of another's mailbox the rights are those of its list, and `needed` must be among them: Refusal
   * 'not-permitted', or 'nonexistent' where it may not be looked up either.
   */
  open(a: AccountAccess, name: string, writable: boolean, ...needed: readonly Right[]): Promise<MailboxAccess>
  /** Makes missing parents too; one mailbox of an account at most has a special use. Refusal 'already-exists', 'cannot', 'limit', 'special-use', 'not-permitted'. */
  create(a: AccountAccess, name: string, specialUse?: SpecialUse): Promise<MailboxInfo>
  /** Refusal 'has-children': there are no \Noselect ghosts. */
  remove(a: AccountAccess, name: string): Promise<void>
  /** Its children move with it. INBOX: all its messages move into a new mailbox (RFC 9051 §6.3.6). */
  rename(a: AccountAccess, from: string, to: string): Promise<void>

  /** Of each of `on`, in that order; by one question. What `a` may see: its own entries and those for all. */
  metadata(a: AccountAccess, on: readonly NotedOf[], query: MetadataQuery): Promise<MetadataEntry[][]>
  /** The same of all entries, without values; nothing is GONE. */
  metadataVersions(a: AccountAccess, on: readonly NotedOf[]): Promise<MetadataVersions[]>
  /**
   * All of it or nothing. Resolves to the entries that really changed, or to none where the answer to the commit was lost. A mailbox's modseq rises with that
   * (RFC 7162 §3.2). Refusal 'nonexistent', 'too-many-entries', 'special-use'.
   */
  setMetadata(a: AccountAccess, of: NotedOf, change: MetadataChange): Promise<MetadataVersions>

  /** Needs a, as the three after it do. The owner is the first entry. */
  acl(m: MailboxAccess): Promise<AclEntry[]>
  /** Without `change` the entry goes. Refusal 'nonexistent' (no such user), 'cannot', 'limit'. */
  changeAcl(m: MailboxAccess, identifier: string, change?: AclChange): Promise<void>
  /** What the identifier has whatever the list says, and what it may be given. */
  grantable(m: MailboxAccess, identifier: string): Promise<{ readonly always: Rights; readonly may: Rights }>

  /** What is asked of a mailbox needs r, here and below, where nothing else is said; a mailbox of one's own gives all rights. */
  status(m: MailboxAccess, want?: StatusWant): Promise<MailboxStatus>
  /** Of many, with one statement; by name. Those that are gone by now, or may not be read, are missing. */
  statuses(a: AccountAccess, mailboxes: readonly MailboxInfo[], want?: StatusWant): Promise<ReadonlyMap<string, MailboxStatus>>
  /** Sum of the sizes of all messages of the account, in octets, and its limit if any. */
  quota(a: AccountAccess): Promise<{ readonly used: number; readonly limit: number | undefined }>
  select(m: MailboxAccess, watcher: MailboxWatcher): Promise<SelectedMailbox>
  /**
   * Calls `heard`, which never throws, when one of these mailboxes may have changed, or `names`: which there are, their names, rights, annotations, subscriptions;
   * also of those of `owners`.
   */
  watch(
    a: AccountAccess,
    on: { readonly mailboxes: readonly MailboxInfo[]; readonly owners?: readonly AccountId[] },
    heard: (of: MailboxInfo | 'names') => void,
  ): AccountWatch

  /** `maxSize` in octets; Refusal 'too-big' from `write` beyond it. */
  stage(a: AccountAccess, maxSize: number): ContentStage
  /** Of what `stage` gave out, until it is appended or queued. */
  staged(content: StagedContent): StagedText
  /** Needs i; flags that may not be set are left out. All of them or none. Refusal 'over-quota' (of the owner), 'limit' (keywords, UIDs). */
  append(m: MailboxAccess, messages: readonly NewMessage[]): Promise<Appended>
  /**
   * Appends one message to `to` and expunges another one of `from`, both or neither. Needs t and e of the one, i of the other; Refusal as for `append`, and 'gone'
   * where the old message is not there any more.
   */
  replace(from: MailboxAccess, uid: Uid, to: MailboxAccess, message: NewMessage): Promise<Appended>
  /**
   * One content for many recipients, each all or nothing; resolves when all are durable. Quota is not asked: that was at RCPT. `attempt` (any string) names what
   * was sent and by whom: until it is confirmed, or for 5 days, the same name for the same mailbox is a retry and changes nothing, whatever the content.
   */
  deliver(content: StagedContent, internalDate: number, to: readonly Delivery[], attempt?: string): Promise<Delivered>

  /** Before a copy of so many octets: makes the mailbox for sent mail where there is none. Refusal 'over-quota', 'limit' (mailboxes). */
  prepareSent(a: AccountAccess, octets: number): Promise<void>
  /**
   * Puts a copy into the account's mailbox for sent mail, \Seen; or finds the one that a program appended, and that differs in nothing that matters (mail/likeness.ts).
   * A program that appends one within a day is given this one. Once it is moved to Drafts or Trash, or expunged, what is `held` is not sent, unless that has begun.
   * `attempt` as `deliver` has it.
   */
  fileSent(a: AccountAccess, copy: SentCopy, attempt: string): Promise<{ readonly again: boolean; confirm(): void }>

  /** Needs s for \Seen, t for \Deleted, w for others: does what it may, Refusal 'not-permitted' if that is nothing. */
  flags(m: MailboxAccess, uids: UidRanges, op: FlagsOp): Promise<FlagsDone>
  /** Needs e. */
  expunge(m: MailboxAccess, op: ExpungeOp): Promise<Expunged>
  /**
   * POP3's UPDATE state: all that the policy says, or nothing. `trash` and `archive` move to the mailbox with that special use, which is made if there is none; where it is the
   * maildrop itself, `trash` expunges and `archive` hides. A mailbox of one's own only. Refusal 'gone', 'limit' (keywords, UIDs, mailboxes).
   */
  settleMaildrop(m: MailboxAccess, op: MaildropOp): Promise<MaildropSettled>
  /** UIDs that went by changes after `since` up to `until`; undefined where the log does not reach back so far. Costs what it finds, not what there is. */
  expungedSince(m: MailboxAccess, since: ModSeq, until: ModSeq): Promise<UidRanges | undefined>
  /** Needs i in the target, which may be another account's; flags that may not be set there are left behind. */
  copy(m: MailboxAccess, uids: UidRanges, to: MailboxAccess): Promise<Copied>
  /** Needs t and e beside. RFC 6851 §3.3. */
  move(m: MailboxAccess, uids: UidRanges, to: MailboxAccess): Promise<Copied>

  /**
   * Columns of contents, yielded in the order asked, in batches read ahead by at most 4 MiB. A content that no longer exists is yielded with its id only.
   * What is asked for comes from the access's own index or view, never from a client; each is taken when its batch is asked for.
   */
  contents(a: AccountAccess | MailboxAccess, asked: Iterable<Asked>, want: readonly ContentColumn[]): Contents
  /**
   * One array for each probe: at the place of an id 0 where an index says that its content does not hold the text, 1 where that must be read. For whom 0 is said there, it is certain;
   * whatever is not indexed is 1. At most some ten thousand ids at a time, for the sake of memory.
   */
  narrow(a: AccountAccess | MailboxAccess, ids: readonly ContentId[], probes: readonly TextProbe[]): Promise<Uint8Array[]>
  /** Contents of the account that gain octets where every line must end in CRLF (POP3), and how many: none or few. See mail/crlf.ts. */
  crlfGains(a: AccountAccess | MailboxAccess): Promise<ReadonlyMap<ContentId, number>>
  /**
   * Contents of the account, of those with a higher id than `after`, that have no blank line behind their header, so that all of them is header; and the highest id that there
   * is. Reads every such row: whoever asks again says up to where it knows.
   */
  withoutBlankLine(a: AccountAccess | MailboxAccess, after: ContentId): Promise<{ readonly ids: readonly ContentId[]; readonly last: ContentId }>
  /** POP3 unique-ids that messages of the account brought from another server. */
  importedUidls(a: AccountAccess): Promise<ImportedUidls>
  /** Octets from … to (exclusive) of a content, in pieces ≤ 256 KiB, no connection held between pieces. */
  read(a: AccountAccess | MailboxAccess, id: ContentId, from: number, to: number): AsyncIterable<Buffer>
}
