/** What the QUOTA commands say. An account has one quota root, which all of its mailboxes share; where nothing is limited there is none. RFC 9208. */
import { No } from './reply.ts'
import type { AuthenticatedSession } from './session.ts'

/** The root's name. */
export const ROOT = ''
/** STORAGE is counted in these, rounded up: what is used never seems to be more than what may be (RFC 9208 §5.1). */
const UNIT = 1024

/** NO for a root that there is not. */
export function checkRoot(name: string, limit: number | undefined): asserts limit is number {
  if (name !== ROOT || limit === undefined) throw new No('NONEXISTENT', 'There is no such quota root')
}

/** `* QUOTA "" (STORAGE 10 512)`. RFC 9208 §4.2.1. */
export function writeQuota({ out }: AuthenticatedSession, used: number, limit: number): void {
  out
    .untagged()
    .word('QUOTA')
    .string(ROOT)
    .open()
    .word('STORAGE')
    .number(Math.ceil(used / UNIT))
    .number(Math.ceil(limit / UNIT))
    .close()
    .end()
}
