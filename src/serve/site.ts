/** The public web service, as this config has it. */
import type { Config } from '../config/schema.ts'
import type { Reach } from '../http/setup/reach.ts'
import { siteRoutes } from '../http/site/routes.ts'
import { siteServer } from '../http/site/server.ts'
import type { Serve } from '../net/connection.ts'
import type { Accounts } from '../store/accounts.ts'
import { portsOf } from './served.ts'
import type { ServiceDeps } from './services.ts'

/** An edit of the config's domains shows after so long at the latest. */
const DOMAINS_MS = 2_000

export function siteOf({ config, dataDir, opened, authenticator, tls, log }: ServiceDeps): Serve {
  const domainsNow = rememberedDomains(config, opened.accounts)
  const reach = async (): Promise<Reach> => ({ hostname: config.hostname, domains: await domainsNow(), ports: portsOf(config, dataDir) })
  const respond = siteRoutes({ reach, authenticator, keyPair: () => tls.current, mtaSts: config.mta_sts ?? 'testing' })
  return siteServer({ respond, log: log.child({ service: 'https' }) })
}

/** Those that are served, and those that were served last where the database cannot be asked. */
function rememberedDomains({ domains }: Pick<Config, 'domains'>, accounts: Pick<Accounts, 'domains'>): () => Promise<readonly string[]> {
  let known = domains as readonly string[]
  let asked: Promise<readonly string[]> | undefined
  let at = 0
  return () => {
    if (!asked || performance.now() - at > DOMAINS_MS) {
      at = performance.now()
      asked = accounts.domains().then(
        (now) => (known = now),
        () => known,
      )
    }
    return asked
  }
}
