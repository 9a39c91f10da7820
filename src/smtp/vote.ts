/** What becomes of a message that is found bad, by what each of those wants that it is for: there is one answer for all of them. */
import type { AccountId } from '../store/types.ts'
import { readersOf } from './onward.ts'
import type { LocalRecipient, Transaction } from './visit.ts'

/** reject refuses it, junk puts it into the mailbox for junk, mark only says in the header what was found. */
export type Action = 'reject' | 'junk' | 'mark'

/** Who is kept from being heard has to be able to hear of it, and abuse is told of what filters hate. RFC 5321 §4.5.1, RFC 2142 §4. */
const CONTACT = /^"?(?:postmaster|abuse)"?(?:@|$)/i
export const isContact = (address: string): boolean => CONTACT.test(address)

export interface Voters {
  readonly readers: readonly LocalRecipient[]
  /** It is for postmaster and abuse, and for nobody else: with others among its recipients it is theirs. */
  readonly contactsOnly: boolean
}

export const votersOf = (transaction: Transaction): Voters => ({
  readers: readersOf(transaction),
  contactsOnly: transaction.accepted.size > 0 && [...transaction.accepted].every(isContact),
})

export interface Vote {
  readonly refused: boolean
  /** For whom it is junk, where it is not refused. */
  readonly junk: ReadonlySet<AccountId>
}

/**
 * It is refused only where all want it rejected: for who wants that while others take it, it is junk, and for contacts too. `otherwise`: what counts where nobody here reads
 * it. `harmful`: it is refused for contacts as for anybody.
 */
export function vote({ readers, contactsOnly }: Voters, actionOf: (domain: string) => Action, otherwise: Action, harmful = false): Vote {
  const all = readers.map(({ access, domain }) => ({ account: access.account, action: actionOf(domain) }))
  const unanimous = all.length === 0 ? otherwise === 'reject' : all.every(({ action }) => action === 'reject')
  const junk = new Set(all.filter(({ action }) => action !== 'mark').map(({ account }) => account))
  return { refused: unanimous && (harmful || !contactsOnly), junk }
}
