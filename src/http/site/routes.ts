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
    const [path, other] = [`get ${question.path.toLowerCase()}`, `post ${question.path.toLowerCase()}`]
    const asked = question.method === 'GET' ? path : other
    const answer = Object.hasOwn(routes, asked) ? await routes[asked]!(question, reach) : undefined
    if (answer) return answer
    if (Object.hasOwn(routes, path) || Object.hasOwn(routes, other)) return Object.hasOwn(routes, asked) ? NOTHING : plain(405, 'Not by this method.')
    return NOTHING
  }
}

const NOTHING = plain(404, 'There is nothing here.')

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

const AUTODISCOVER: Routes = {
  [`post ${AUTODISCOVER_PATH}`]: ({ body }, reach) => ({
    status: 200,
    type: AUTODISCOVER_TYPE,
    body: autodiscover(reach, body.toString('utf8'), new Date()),
  }),
  'get /autodiscover/autodiscover.json': ({ query }, reach) => {
    const { status, body } = autodiscoverJson(reach, {
      email: query.get('Email') ?? query.get('email'),
      protocol: query.get('Protocol') ?? query.get('protocol'),
    })
    return { status, type: 'application/json; charset=utf-8', body }
  },
}

/** RFC 8461 §3.2. */
const policyRoute =
  (mode: OwnStsPolicy['mode']): Route =>
  ({ host }, reach) =>
    reach.domains.includes(domainOf(host)) && reach.ports.has('mx')
      ? { status: 200, type: 'text/plain; charset=utf-8', body: stsPolicyText({ mode, mx: [reach.hostname] }) }
      : undefined
