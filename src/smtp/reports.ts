/** Mail to the address that reports of other servers come to: noted before it is delivered, so that it is read afterwards whatever happens between (store/reports.ts). */
import { canonical } from '../mail/address.ts'
import type { Accounts } from '../store/accounts.ts'
import type { Reports } from '../store/reports.ts'
import type { ContentId } from '../store/types.ts'
import type { Transaction } from './visit.ts'

export interface ReportInbox extends Pick<Reports, 'note'> {
  /** The canonical address. */
  readonly to: string
  /** Something was delivered that is to be read. */
  delivered(): void
}

/** Resolves to what is to be called when the delivery is durable; undefined: nobody here collects reports, or this is none. */
export async function noteReport(
  { accepted, local }: Transaction,
  content: ContentId,
  { reports, accounts }: { readonly reports?: ReportInbox | undefined; readonly accounts: Pick<Accounts, 'recipient'> },
): Promise<(() => void) | undefined> {
  if (!reports || ![...accepted].some((written) => canonical(written) === reports.to)) return undefined
  const account = (await accounts.recipient(reports.to))?.access.account
  // It may be somebody else's by now, or go elsewhere.
  if (account === undefined || !local.has(account)) return undefined
  await reports.note(account, content)
  return () => reports.delivered()
}
