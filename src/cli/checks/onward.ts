/** What a domain sends on for its addresses, by `forward` and by lists: whether it finds a way, and how others see it. */
import { domainOf } from '../../mail/address.ts'
import { Failure } from '../../smtp/outbound/failure.ts'
import { routeOf } from '../../smtp/outbound/mx.ts'
import { newestPublished } from '../../smtp/published.ts'
import { about, type Finding, messageOf, type Seen } from './check.ts'

/** Domains that are looked up, and named in one finding. */
const MAX_TARGETS = 50
const MAX_NAMED = 5

/** Nothing is said of a domain that sends nothing on. */
export async function onwardCheck(seen: Seen, domain: string): Promise<Finding[]> {
  const targets = targetsOf(seen, domain)
  return targets.length === 0 ? [] : [await sealFinding(seen, domain), ...(await routeFindings(seen, domain, targets))]
}

/** Domains elsewhere. */
function targetsOf({ config: { domains, mailboxes, lists = [] } }: Seen, domain: string): string[] {
  const forwarded = mailboxes.filter(({ address }) => domainOf(address) === domain).flatMap(({ forward }) => forward?.to ?? [])
  const listed = lists.filter(({ address }) => domainOf(address) === domain).flatMap(({ members }) => members)
  return [...new Set([...forwarded, ...listed].map(domainOf))].filter((target) => !domains.includes(target))
}

async function sealFinding({ config: { inbound = {} }, keys, world: { dns } }: Seen, domain: string): Promise<Finding> {
  const { ok, warning, skipped } = about(`seal on what ${domain} sends on`)
  const { authenticate = true, seal = true } = inbound
  if (!authenticate || !seal) return ok(`there is none, since "inbound.${authenticate ? 'seal' : 'authenticate'}" is false`)
  if (!keys) return skipped('the database cannot be asked for the keys')
  const own = keys.filter((key) => key.domain === domain && key.algorithm === 'rsa')
  const [key] = await newestPublished(own, dns)
  if (key) return ok(`by ${key.selector}`)
  return warning(
    `there is none, and others may take forwarded mail for forged: ${own.length > 0 ? `put the record of an RSA key into the zone, see "postern dns ${domain}"` : `make keys by "postern dkim add ${domain}"`}`,
  )
}

async function routeFindings({ config: { hostname, relay }, world: { dns } }: Seen, domain: string, targets: readonly string[]): Promise<Finding[]> {
  const { ok, warning, wrong } = about(`where ${domain} sends mail on to`)
  // It is the relay that has to know the way.
  if (relay) return []
  const bad: Finding[] = []
  for (const target of targets.slice(0, MAX_TARGETS)) {
    try {
      await routeOf(target, { dns, hostname })
    } catch (err) {
      const say = err instanceof Failure && !err.permanent ? warning : wrong
      bad.push(say(messageOf(err)))
    }
  }
  if (bad.length > 0) return bad.slice(0, MAX_NAMED)
  const named = targets.slice(0, MAX_NAMED).join(', ')
  return [ok(targets.length > MAX_NAMED ? `${named}, and ${targets.length - MAX_NAMED} more` : named)]
}
