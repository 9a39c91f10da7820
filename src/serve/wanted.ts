/** The config file's mailboxes, as the store takes them. */
import type { Config } from '../config/schema.ts'
import type { WantedState } from '../store/accounts.ts'

type Who = Pick<Config, 'domains' | 'mailboxes' | 'postmaster'> & Partial<Pick<Config, 'public'>>

export function wantedState({ domains, mailboxes, postmaster, public: shared = [] }: Who): WantedState {
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
      pop3: m.pop3?.after_download ?? 'client',
      scram: m.scram ?? '',
      appPasswords: m.app_passwords.map(({ name, hash, scram, scopes, disable, pop3 }) => ({
        ...{ name, hash, scopes, disable },
        ...(scram !== undefined && { scram }),
        ...(pop3 && { pop3: pop3.after_download }),
      })),
      disable: m.disable,
    })),
    public: shared,
  }
}
