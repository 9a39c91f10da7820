/** What the public web service answers: by host, path and method. */
import type { Authenticator } from '../../auth/login.ts'
import { type OwnStsPolicy, stsPolicyText } from '../../mail/mta-sts.ts'
import type { KeyPair } from '../../net/tls.ts'
import { AUTOCONFIG_TYPE, autoconfig } from '../setup/autoconfig.ts'
import { AUTODISCOVER_PATH, AUTODISCOVER_TYPE, autodiscover, autodiscoverJson } from '../setup/autodiscover.ts'
import type { Reach } from '../setup/reach.ts'
import { type Answer, plain, type Question, type Respond } from './exchange.ts'
import { pages } from './pages.ts'

export interface SiteDeps {
  /** As it is at this moment. */
  readonly reach: () => Promise<Reach>
  readonly authenticator: Pick<Authenticator, 'login'>
  /** What TLS shows: signs profiles. */
  readonly keyPair: () => KeyPair
  readonly mtaSts: OwnStsPolicy['mode']
}

export type Route = (question: Question, reach: Reach) => Answer | undefined | Promise<Answer | undefined>
/** By method and path, lower case: Outlook writes it in many cases. */
export type Routes = Readonly<Record<string, Route>>

/** A domain asks for a policy of its own name only, so nothing else is served under it; the same for what mail programs look for. */
const PREFIXES = ['autoconfig', 'autodiscover', 'mta-sts'] as const

export function siteRoutes(deps: SiteDeps): Respond {
  const byPrefix: Readonly<Record<(typeof PREFIXES)[number], Routes>> = {
    autoconfig: AUTOCONFIG,
    autodiscover: AUTODISCOVER,
    'mta-sts': { 'get /.well-known/mta-sts.txt': policyRoute(deps.mtaSts) },
  }
  const ofHost: Routes = { ...AUTOCONFIG, ...AUTODISCOVER, ...pages(deps) }
  return async (question) => {
    const reach = await deps.reach()
    const prefix = question.host === reach.hostname ? undefined : PREFIXES.find((one) => question.host.startsWith(`${one}.`))
    const routes = prefix ? byPrefix[prefix] : ofHost
    const path = question.path.toLowerCase()
    const at = JSON_PATHS.test(path) ? JSON_PATH : path
    const route = routeAt(routes, question.method, at)
    if (!route) return routeAt(routes, question.method === 'GET' ? 'POST' : 'GET', at) ? plain(405, 'Not by this method.') : NOTHING
    return (await route(question, reach)) ?? NOTHING
  }
}

const NOTHING = plain(404, 'There is nothing here.')

const routeAt = (routes: Routes, method: Question['method'], path: string): Route | undefined => {
  const name = `${method.toLowerCase()} ${path}`
  return Object.hasOwn(routes, name) ? routes[name] : undefined
}

/** The domain that a host with a prefix stands for. */
const domainOf = (host: string): string => host.slice(host.indexOf('.') + 1)

const configRoute: Route = ({ host, query }, reach) => {
  const domain = host.startsWith('autoconfig.') ? domainOf(host) : reach.domains.includes(host) ? host : (reach.domains[0] ?? '')
  const body = autoconfig(reach, domain, query.get('emailaddress') ?? '')
  return body === undefined ? undefined : { status: 200, type: AUTOCONFIG_TYPE, body }
}

const AUTOCONFIG: Routes = {
  'get /mail/config-v1.1.xml': configRoute,
  'get /.well-known/autoconfig/mail/config-v1.1.xml': configRoute,
}

const JSON_PATH = '/autodiscover/autodiscover.json'
/** The address may stand in the path. */
const JSON_PATHS = /^\/autodiscover\/autodiscover\.json\/v1\.0\/([^/]+)$/i

const AUTODISCOVER: Routes = {
  [`post ${AUTODISCOVER_PATH}`]: ({ body }, reach) => ({
    status: 200,
    type: AUTODISCOVER_TYPE,
    body: autodiscover(reach, body.toString('utf8'), new Date()),
  }),
  [`get ${JSON_PATH}`]: ({ path, query }, reach) => {
    // Their names are written in any case, too.
    const fields = new Map([...query].map(([name, value]) => [name.toLowerCase(), value]))
    const { status, body } = autodiscoverJson(reach, {
      email: addressIn(path) ?? fields.get('email') ?? null,
      protocol: fields.get('protocol') ?? null,
    })
    return { status, type: 'application/json; charset=utf-8', body }
  },
}

/** What stands behind the version in the path. */
function addressIn(path: string): string | undefined {
  const encoded = JSON_PATHS.exec(path)?.[1]
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded)
  } catch {
    return ''
  }
}

/** RFC 8461 §3.2. */
const policyRoute =
  (mode: OwnStsPolicy['mode']): Route =>
  ({ host }, reach) =>
    reach.domains.includes(domainOf(host)) && reach.ports.has('mx')
      ? { status: 200, type: 'text/plain; charset=utf-8', body: stsPolicyText({ mode, mx: [reach.hostname] }) }
      : undefined
