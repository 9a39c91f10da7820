/** POP3's policies as the account's row has them. */
import type { AppPassword } from '../accounts.ts'
import { type AfterDownload, nearestWord, type Pop3Policy, type Pop3Settings, pop3Policy } from '../pop3-policy.ts'
import type { AccountId } from '../types.ts'
import { fromStored, type StoredAppPassword } from './reconcile.ts'
import type { Row } from './rows.ts'

export interface PolicyRow {
  readonly account: AccountId
  readonly enabled: boolean
  readonly policy: Pop3Policy
  readonly apps: readonly AppPassword[]
}

/** Reads account_id, enabled, pop3_policy, pop3, app_passwords. */
export const policiesOf = (row: Row): PolicyRow => ({
  account: row.long() as AccountId,
  enabled: row.int() === 1,
  policy: policyOf(row.text() as AfterDownload, JSON.parse(row.text()) as Pop3Settings),
  apps: (JSON.parse(row.text()) as StoredAppPassword[]).map(fromStored),
})

/** The settings count while nobody who knows only words has written another one since. */
export const policyOf = (word: AfterDownload, settings: Pop3Settings): Pop3Policy =>
  pop3Policy(settings.afterDownload !== undefined && nearestWord(settings.afterDownload) === word ? settings : { afterDownload: word })
