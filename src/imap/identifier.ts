/** Identifiers of an access control list. */
import { Bad } from './reply.ts'
import type { ArgumentReader } from './wire/read.ts'

/** Whom a list speaks of: an address or `anyone`, `-` before it for negative rights. Which there are, the store knows. Bad for what none can be (RFC 4314 §3). */
export function readIdentifier(r: ArgumentReader): string {
  const identifier = r.astring()
  if (identifier === '' || identifier === '-' || /\p{Cc}/u.test(identifier)) throw new Bad('Invalid identifier')
  return identifier
}
