/** What the public web service answers: by host, path and method. */
import type { Accounts } from '../../store/accounts.ts'
import type { Reach } from '../setup/reach.ts'
import { plain, type Respond } from './exchange.ts'

export interface SiteDeps {
  /** As it is at this moment. */
  readonly reach: () => Reach
  readonly isLocal: Accounts['isLocal']
}

export function siteRoutes(_deps: SiteDeps): Respond {
  return async () => plain(404, 'There is nothing here.')
}
