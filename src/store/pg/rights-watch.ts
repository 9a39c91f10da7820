/** Rights to somebody else's mailbox while a session has it selected: what the owner gives or takes counts at once. */
import type { MailboxAccess } from '../access.ts'
import type { Bus } from '../bus.ts'
import { CHECK_INTERVAL } from './indexes.ts'
import type { Queryable } from './pool.ts'
import { renewRights } from './sharing.ts'

export interface RightsWatch {
  /** Compares with the database. Unavailable. */
  look(): Promise<void>
  close(): void
}

/** `lost` when the mailbox may not be read any more, `changed` when anything else is another right. Lists are poked with the owner's names, a removed owner as its login. */
export function watchRights({ pool, bus }: { pool: Queryable; bus: Bus }, m: MailboxAccess, tell: { lost(): void; changed(): void }): RightsWatch {
  let looking: Promise<void> | undefined
  let again = false
  const run = async (): Promise<void> => {
    while (again) {
      again = false
      const before = m.rights
      await renewRights(pool, m)
      if (!m.may('r')) tell.lost()
      else if (m.rights !== before) tell.changed()
    }
  }
  const look = (): Promise<void> => {
    again = true
    looking ??= run().finally(() => {
      looking = undefined
    })
    return looking
  }
  // Every verb asks the database itself; this is for what a session knows already.
  const quietly = (): void => void look().catch(() => {})
  const stops = (['names', 'login'] as const).map((of) => bus.watch({ account: m.account, of }, quietly))
  const timer = setInterval(quietly, CHECK_INTERVAL).unref()
  return {
    look,
    close() {
      clearInterval(timer)
      for (const stop of stops) stop()
    },
  }
}
