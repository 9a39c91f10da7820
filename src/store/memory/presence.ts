/** Who is connected to this process. */
import type { Log } from '../../log.ts'
import type { Presence, PresenceLimits, Session } from '../presence.ts'
import { networkOf } from '../remote.ts'
import type { AccountId } from '../types.ts'

/** Sessions of one process; far above what its listeners let in. */
export const MAX_SESSIONS = 65_536

/** What a session counts towards: a name, and how many of that name there may be. */
export interface Counted {
  readonly name: string
  readonly limit: number
}

export function countedBy(session: Session, limits: PresenceLimits): Counted[] {
  const counted: Counted[] = []
  if (limits.perRemote !== undefined) counted.push({ name: `${session.service}:remote:${networkOf(session.remote)}`, limit: limits.perRemote })
  if (limits.perAccount !== undefined && session.account !== undefined)
    counted.push({ name: `${session.service}:account:${session.account}`, limit: limits.perAccount })
  return counted
}

/** Also the local half of the Redis driver, hence without a promise around `enter`. */
export interface LocalPresence {
  enter(session: Session, limits: PresenceLimits): (() => void) | undefined
  kick(account: AccountId, why: string): void
  clear(): void
}

export function createLocalPresence(log: Log): LocalPresence {
  const counts = new Map<string, number>()
  const byAccount = new Map<AccountId, Set<Session>>()
  let sessions = 0

  const add = (name: string, by: 1 | -1): void => {
    const count = (counts.get(name) ?? 0) + by
    if (count > 0) counts.set(name, count)
    else counts.delete(name)
  }

  return {
    enter(given, limits) {
      // A copy, so that the same object may enter twice.
      const session = { ...given }
      const counted = countedBy(session, limits)
      if (sessions >= MAX_SESSIONS || counted.some(({ name, limit }) => (counts.get(name) ?? 0) >= limit)) return undefined
      sessions++
      for (const { name } of counted) add(name, 1)
      if (session.account !== undefined) byAccount.set(session.account, (byAccount.get(session.account) ?? new Set()).add(session))
      let left = false
      return () => {
        if (left) return
        left = true
        sessions--
        for (const { name } of counted) add(name, -1)
        if (session.account === undefined) return
        const set = byAccount.get(session.account)
        set?.delete(session)
        if (set?.size === 0) byAccount.delete(session.account)
      }
    },
    kick(account, why) {
      for (const session of [...(byAccount.get(account) ?? [])]) {
        try {
          session.kick?.(why)
        } catch (err) {
          log.error({ err, account }, 'a session could not be ended')
        }
      }
    },
    clear() {
      counts.clear()
      byAccount.clear()
      sessions = 0
    },
  }
}

/** Presence of this process only. */
export function createMemoryPresence(log: Log): Presence {
  const local = createLocalPresence(log)
  return {
    enter: async (session, limits) => local.enter(session, limits),
    kick: local.kick,
    close: async () => local.clear(),
  }
}
