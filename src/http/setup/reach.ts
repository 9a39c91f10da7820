/** What of this server is to be had from outside: all that set-up answers know of it. */

import { canonical, domainOf } from '../../mail/address.ts'

/** As the config's listeners are called. */
export type PublicService = 'mx' | 'submission' | 'submissions' | 'imaps' | 'pop3s' | 'pop3' | 'https'

export interface Reach {
  /** The name in the certificate, which mail programs are told for every service. */
  readonly hostname: string
  /** Whose mail is kept here: lower case, A-labels. */
  readonly domains: readonly string[]
  /** Port by service, of those that are open to the outside. */
  readonly ports: ReadonlyMap<PublicService, number>
}

/** What a mail program may be told of a service. */
export interface Offer {
  readonly service: PublicService
  readonly protocol: 'imap' | 'pop3' | 'smtp'
  readonly port: number
  /** TLS from the first octet, or by STARTTLS (STLS). */
  readonly security: 'tls' | 'starttls'
}

const OFFERS = [
  { service: 'imaps', protocol: 'imap', security: 'tls' },
  { service: 'pop3s', protocol: 'pop3', security: 'tls' },
  { service: 'pop3', protocol: 'pop3', security: 'starttls' },
  { service: 'submissions', protocol: 'smtp', security: 'tls' },
  { service: 'submission', protocol: 'smtp', security: 'starttls' },
] as const satisfies readonly Omit<Offer, 'port'>[]

/** In the order in which a program is to try them: TLS from the first octet before STARTTLS (RFC 8314 §3). */
export function offers({ ports }: Reach, protocol: Offer['protocol']): Offer[] {
  return OFFERS.flatMap((offer) => {
    const port = ports.get(offer.service)
    return offer.protocol === protocol && port !== undefined ? [{ ...offer, port }] : []
  })
}

/** The best that there is of a protocol; undefined: it is not to be had from outside. */
export const best = (reach: Reach, protocol: Offer['protocol']): Offer | undefined => offers(reach, protocol)[0]

/** Where its web service is, without a path. */
export function webOrigin({ hostname, ports }: Reach): string {
  const port = ports.get('https') ?? 443
  return port === 443 ? `https://${hostname}` : `https://${hostname}:${port}`
}

/** Such an address as mail programs are told to log in with, and its domain: only where it is one of ours. Whether anybody has it is nobody's business. */
export function ours({ domains }: Reach, address: string): { readonly address: string; readonly domain: string } | undefined {
  const it = canonical(address)
  const domain = it === undefined ? '' : domainOf(it)
  return it !== undefined && domains.includes(domain) ? { address: it, domain } : undefined
}
