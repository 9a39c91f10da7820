/** The config file's mailboxes, as the store takes them. */

import { resolveLists } from '../config/addresses.ts'
import type { Pop3Config } from '../config/pop3.ts'
import type { Config, MailboxConfig } from '../config/schema.ts'
import type { SubmissionConfig } from '../config/submission.ts'
import type { Inbound, WantedState } from '../store/accounts.ts'
import type { Pop3Settings } from '../store/pop3-policy.ts'
import type { SubmissionSettings } from '../store/submission-policy.ts'

type Who = Pick<Config, 'domains' | 'mailboxes' | 'postmaster'> & Partial<Pick<Config, 'public' | 'lists' | 'catch_all'>>

export function wantedState(config: Who): WantedState {
  const { domains, mailboxes, postmaster, public: shared = [], catch_all: catchAll = {} } = config
  // The store gives postmaster@ and abuse@ to the first account.
  const first = mailboxes.filter((m) => m.address === postmaster)
  const rest = mailboxes.filter((m) => m.address !== postmaster)
  return {
    domains,
    accounts: [...first, ...rest].map((m) => ({
      address: m.address,
      aliases: m.aliases,
      passwordHash: m.password_hash,
      displayName: m.name,
      quota: m.quota,
      pop3: pop3Settings(m.pop3),
      ...(m.submission && { submission: submissionSettings(m.submission) }),
      scram: m.scram ?? '',
      appPasswords: m.app_passwords.map(({ name, hash, scram, scopes, disable, pop3, submission }) => ({
        ...{ name, hash, scopes, disable },
        ...(scram !== undefined && { scram }),
        ...(pop3 && { pop3: pop3Settings(pop3) }),
        ...(submission && { submission: submissionSettings(submission) }),
      })),
      disable: m.disable,
      inbound: inboundOf(m),
    })),
    public: shared,
    lists: resolveLists(config),
    catchAll,
  }
}

/** Only what the file says: absent keys stay absent. */
function pop3Settings(pop3: Pop3Config): Pop3Settings {
  const { after_download, keep_days, folder, seen_on_retr, max_listed, login_delay, outlook_repairs } = pop3 ?? {}
  return {
    ...(after_download !== undefined && { afterDownload: after_download }),
    ...(keep_days !== undefined && { keepDays: keep_days }),
    ...(folder !== undefined && { folder }),
    ...(seen_on_retr !== undefined && { seenOnRetr: seen_on_retr }),
    ...(max_listed !== undefined && { maxListed: max_listed }),
    ...(login_delay !== undefined && { loginDelay: login_delay }),
    ...(outlook_repairs !== undefined && { outlookRepairs: outlook_repairs }),
  }
}

function submissionSettings({ sent_copy, undo_send }: NonNullable<SubmissionConfig>): SubmissionSettings {
  return { ...(sent_copy !== undefined && { sentCopy: sent_copy }), ...(undo_send !== undefined && { undoSend: undo_send }) }
}

function inboundOf({ forward, block = [], allow = [] }: MailboxConfig): Inbound | undefined {
  if (!forward && block.length === 0 && allow.length === 0) return undefined
  return { ...(forward && { forward }), ...(block.length > 0 && { block }), ...(allow.length > 0 && { allow }) }
}
