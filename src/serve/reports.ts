/** Reports of other servers, as the configuration has it: the address that they come to, and who reads them. */
import type { Config } from '../config/schema.ts'
import type { Log } from '../log.ts'
import { ReportCollector } from '../reports/collector.ts'
import type { ReportInbox } from '../smtp/reports.ts'
import type { OpenStore } from '../store/pg/index.ts'
import type { AccountId, ContentId } from '../store/types.ts'

export interface Collecting {
  readonly inbox: ReportInbox
  stop(): Promise<void>
}

export interface CollectingOptions {
  readonly config: Config
  readonly opened: Pick<OpenStore, 'reports' | 'store' | 'accounts'>
  /** Whether this process reads them too. */
  readonly reads: boolean
  readonly log: Log
}

/** undefined: nobody is to collect any. Runs until it is stopped. */
export function startCollecting({ config, opened, reads, log: parent }: CollectingOptions): Collecting | undefined {
  if (!config.reports) return undefined
  const { reports, store, accounts } = opened
  const log = parent.child({ service: 'reports' })
  const isOurs = async (domain: string): Promise<boolean> => {
    if (domain === config.hostname) return true
    const labels = domain.split('.')
    for (let i = 0; i < labels.length - 1; i++) if (await accounts.isLocal(labels.slice(i).join('.'))) return true
    return false
  }
  const collector = reads ? new ReportCollector({ reports, store, isOurs, log }) : undefined
  collector?.start()
  const note = async (account: AccountId, content: ContentId): Promise<boolean> => {
    const noted = await reports.note(account, content)
    if (!noted) log.warn({ content: content.toString(36) }, 'too many reports wait to be read: this one is delivered and not read')
    return noted
  }
  return {
    inbox: { to: config.reports.to, note, delivered: () => collector?.wake() },
    stop: async () => collector?.stop(),
  }
}
