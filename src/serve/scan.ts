/** Who looks at mail while it comes in, as the configuration has it. */
import { dirname, resolve } from 'node:path'
import type { Loaded } from '../config/load.ts'
import type { Secrets } from '../config/secrets.ts'
import type { Dns } from '../net/dns/dns.ts'
import { Breaker } from '../smtp/scan/breaker.ts'
import { clamd } from '../smtp/scan/clamd.ts'
import type { ScanParts, ScanRule } from '../smtp/scan/inspect.ts'
import { rspamd } from '../smtp/scan/rspamd.ts'
import type { Scanner } from '../smtp/scan/scanner.ts'
import type { Action } from '../smtp/vote.ts'

export function scanRules({ config: { scan }, source }: Loaded, { rspamdPassword: password }: Pick<Secrets, 'rspamdPassword'>): ScanRule[] {
  const rules: ScanRule[] = []
  if (scan?.rspamd) {
    const { url, action, domains, max_size: maxSize, on_failure: onFailure, submission } = scan.rspamd
    rules.push({ ...watched(rspamd({ url, password, maxSize })), action: byDomain(domains, action), onFailure, submission })
  }
  if (scan?.clamav) {
    const { host = '127.0.0.1', port, socket, action, domains, max_size: maxSize, on_failure: onFailure } = scan.clamav
    const address = socket === undefined ? { host, port } : { path: resolve(dirname(source.file), socket) }
    rules.push({ ...watched(clamd({ address, maxSize })), action: byDomain(domains, action), onFailure, submission: true })
  }
  return rules
}

const watched = (scanner: Scanner): Pick<ScanRule, 'scanner' | 'breaker'> => ({ scanner, breaker: new Breaker(scanner) })

function byDomain(domains: Readonly<Record<string, Action>>, otherwise: Action): ScanRule['action'] {
  const known = new Map(Object.entries(domains))
  return (domain) => (domain === undefined ? undefined : known.get(domain)) ?? otherwise
}

/** `hidden`: addresses that are not the clients' own (net/gateways.ts). undefined: nobody looks. */
export function scanOf(rules: readonly ScanRule[], dns: Dns, hidden: readonly string[]): ScanParts | undefined {
  return rules.length === 0 ? undefined : { rules, dns, isHidden: (address) => hidden.includes(address) }
}
