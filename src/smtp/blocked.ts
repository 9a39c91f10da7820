/** Whose mail an account does not want. */
import { canonical, domainOf } from '../mail/address.ts'
import type { Inbound } from '../store/accounts.ts'

/** By MAIL FROM. What has no sender is never refused: it tells of mail that was sent from here. */
export function isBlocked(from: string, { block = [], allow = [] }: Inbound = {}): boolean {
  if (from === '' || block.length === 0) return false
  const sender = canonical(from) ?? from.toLowerCase()
  return isNamed(sender, block) && !isNamed(sender, allow)
}

/** Whose mail an account wants, whatever speaks against it. */
export const isAllowed = (from: string, { allow = [] }: Inbound = {}): boolean => from !== '' && isNamed(canonical(from) ?? from.toLowerCase(), allow)

function isNamed(sender: string, names: readonly string[]): boolean {
  const domain = domainOf(sender)
  return names.some((name) => (name.includes('@') ? name === sender : domain === name || domain.endsWith(`.${name}`)))
}
