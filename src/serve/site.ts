/** The public web service, as this config has it. */
import { siteRoutes } from '../http/site/routes.ts'
import { siteServer } from '../http/site/server.ts'
import type { Serve } from '../net/connection.ts'
import { portsOf } from './served.ts'
import type { ServiceDeps } from './services.ts'

export function siteOf({ config, dataDir, opened, log }: Pick<ServiceDeps, 'config' | 'dataDir' | 'opened' | 'log'>): Serve {
  const { hostname, domains } = config
  const reach = () => ({ hostname, domains, ports: portsOf(config, dataDir) })
  const respond = siteRoutes({ reach, isLocal: (domain) => opened.accounts.isLocal(domain) })
  return siteServer({ respond, log })
}
