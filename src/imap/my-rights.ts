/** The MYRIGHTS response: RFC 4314 §3.8. */
import { type Rights, shownRights } from '../store/rights.ts'
import type { ResponseWriter } from './wire/write.ts'

export function writeMyRights(out: ResponseWriter, name: string, rights: Rights): void {
  out.untagged().word('MYRIGHTS').mailbox(name).word(shownRights(rights)).end()
}
