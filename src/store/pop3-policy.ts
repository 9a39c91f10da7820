/** How POP3 treats an account's mail. What a QUIT does is decided here and by the store, never by the mail program. */
import { normalise, type UidRanges } from './uidset.ts'

/** A message with it is not shown by POP3; IMAP sees it as any other. */
export const HIDDEN = '$POP3Deleted'

/**
 * What happens at QUIT to what a POP3 session took. `client`: RFC 1939, what DELE marked is expunged. `delete`: so is what RETR sent whole. `keep`: what DELE marked is
 * hidden from POP3, and IMAP has it still. `trash`, `archive`: what DELE marked or RETR sent whole is moved there.
 */
export const AFTER_DOWNLOAD = ['client', 'delete', 'keep', 'trash', 'archive'] as const
export type AfterDownload = (typeof AFTER_DOWNLOAD)[number]

export interface Pop3Policy {
  readonly afterDownload: AfterDownload
  /** With `keep`: days after which what was hidden is expunged. Absent: it stays. */
  readonly keepDays?: number | undefined
  /** The mailbox that is the maildrop. */
  readonly folder: string
  /** QUIT sets \Seen on what RETR sent whole. */
  readonly seenOnRetr: boolean
  /** The maildrop is the newest so many messages. Absent: all. */
  readonly maxListed?: number | undefined
  /** Seconds from one POP3 login to the next (RFC 2449 §6.5), of each app password and of the account's own on its own; 0: none. */
  readonly loginDelay: number
  /** What is sent has no NUL, and a blank line behind every header: old Outlooks hang without. */
  readonly outlookRepairs: boolean
}

export const DEFAULT_POP3: Pop3Policy = { afterDownload: 'client', folder: 'INBOX', seenOnRetr: false, loginDelay: 0, outlookRepairs: false }

/** What a config file says of it: the rest is as in `under`. */
export type Pop3Settings = Partial<Pop3Policy>

/** `over` where it says something. A life of days is of the policy that it was given with. */
export function pop3Policy(over: Pop3Settings, under: Pop3Policy = DEFAULT_POP3): Pop3Policy {
  const policy = { ...under, ...over }
  return policy.afterDownload === 'keep' ? policy : { ...policy, keepDays: undefined }
}

/** What a session did to its messages. */
export interface Took {
  /** Marked by DELE at the end. */
  readonly deleted: UidRanges
  /** Sent whole by RETR. */
  readonly retrieved: UidRanges
}

/** What becomes of messages at QUIT. */
export interface Fate {
  readonly taken: UidRanges
  /** A special use: they are moved there. */
  readonly how: 'expunge' | 'hide' | '\\Trash' | '\\Archive'
  /** Get \Seen. */
  readonly seen: UidRanges
}

const HOW = { client: 'expunge', delete: 'expunge', keep: 'hide', trash: '\\Trash', archive: '\\Archive' } as const satisfies Record<
  AfterDownload,
  Fate['how']
>

export function fateOf({ afterDownload, seenOnRetr }: Pop3Policy, { deleted, retrieved }: Took): Fate {
  return {
    taken: takesRetrieved(afterDownload) ? normalise([...deleted, ...retrieved]) : deleted,
    how: HOW[afterDownload],
    seen: seenOnRetr ? retrieved : [],
  }
}

/** Whether what RETR sent whole leaves the maildrop without a DELE: nothing can be left on the server (RFC 2449 §6.7). */
export const takesRetrieved = (policy: AfterDownload): boolean => policy !== 'client' && policy !== 'keep'

/** What CAPA's EXPIRE says of a login's policy (RFC 2449 §6.7). What a program leaves stays; the days of `keep` are for what it deleted. 0: what was retrieved leaves with QUIT. */
export const expireOf = (policy: AfterDownload): '0' | 'NEVER' => (takesRetrieved(policy) ? '0' : 'NEVER')

/** As the database has it: the word alone where nothing else is said, as versions that know only words wrote and read it. */
export function packPop3(settings: Pop3Settings): string | Pop3Settings {
  const { afterDownload, ...rest } = settings
  return afterDownload !== undefined && knownToAll(afterDownload) && Object.values(rest).every((v) => v === undefined) ? afterDownload : settings
}

export const unpackPop3 = (packed: string | Pop3Settings): Pop3Settings =>
  typeof packed === 'string' ? { afterDownload: packed as AfterDownload } : packed

/** The nearest that such a version knows: `keep` loses nothing. */
export const nearestWord = (policy: AfterDownload): AfterDownload => (knownToAll(policy) ? policy : 'keep')

const knownToAll = (policy: AfterDownload): boolean => policy === 'client' || policy === 'delete' || policy === 'keep'
