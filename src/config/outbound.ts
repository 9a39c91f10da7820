/** The sections `dns`, `outbound` and `relay`: how mail leaves, and who is asked where to. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { section } from './limits.ts'
import { time } from './units.ts'

const MAX_SERVERS = 10
const MAX_ROUTES = 100
const MAX_ROUTE_DOMAINS = 1_000
const MAX_TLS_RULES = 10_000
export const TLS_RULES = ['opportunistic', 'encrypt', 'verify', 'dane'] as const

const said = (expected: string) => ({ error: expected })
const text = (expected: string) => z.string(said(expected)).min(1, said(expected))
const yesNo = z.boolean(said('true or false'))
const PORT = 'a port number, 1 to 65535'
const port = z.int(said(PORT)).min(1, said(PORT)).max(65_535, said(PORT))

/** `192.0.2.1`, `127.0.0.1:5353`, `[::1]:53`. */
function isServer(value: string): boolean {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/.exec(value) ?? []
  return isIP(value) === 6 || isIP(bracketed ?? plain ?? '') !== 0
}

export const dns = section({
  servers: z
    .array(text('an address').refine(isServer, said('the address of a DNS server, such as 127.0.0.1 or 127.0.0.1:5353')), said('a list of addresses'))
    .min(1, said('a list of at least one address'))
    .max(MAX_SERVERS, said(`a list of at most ${MAX_SERVERS} addresses`)),
  validating: yesNo,
})
  .partial()
  .optional()

/** `domain` reads the canonical form of one, `canonical` is it. */
export function outboundSections<D extends z.ZodType>(domain: D, canonical: (text: string) => string | undefined) {
  const relay = {
    host: domain,
    port: port.default(587),
    security: z.enum(['tls', 'starttls', 'opportunistic', 'none'], said('one of tls, starttls, opportunistic, none')).default('starttls'),
    user: text('a user name').optional(),
    password: text('a password').optional(),
    password_file: text('the path of a file that holds the password').optional(),
    ca: text('the path of a PEM file with the authorities to trust').optional(),
  }
  const routes = z
    .array(
      section({
        domains: z
          .array(domain, said('a list of domains'))
          .min(1, said('a list of at least one domain'))
          .max(MAX_ROUTE_DOMAINS, said(`at most ${MAX_ROUTE_DOMAINS} domains`)),
        ...relay,
        host: domain.optional(),
      }),
      said('a list of routes'),
    )
    .max(MAX_ROUTES, said(`a list of at most ${MAX_ROUTES} routes`))
  return {
    dns,
    relay: section(relay).optional(),
    outbound: section({
      ...{ enabled: yesNo, port, private_addresses: yesNo, lifetime: time, routes },
      ...{ dane: yesNo, mta_sts: yesNo, tls: tlsRules(canonical), tls_reports: yesNo },
    })
      .partial()
      .optional(),
  }
}

const tlsRules = (canonical: (text: string) => string | undefined) =>
  z
    .record(
      z.string(),
      z.enum(TLS_RULES, said(`one of ${TLS_RULES.join(', ')}`)),
      said('a map of domains to rules, such as { example.com: encrypt }'),
    )
    .transform((given, ctx) => {
      const entries = Object.entries(given).map(([name, rule]) => [canonical(name), rule, name] as const)
      for (const [known, , name] of entries)
        if (known === undefined) ctx.addIssue({ code: 'custom', message: 'a domain, such as example.org', path: [name] })
      if (entries.length > MAX_TLS_RULES) ctx.addIssue({ code: 'custom', message: `a map of at most ${MAX_TLS_RULES} domains` })
      return Object.fromEntries(entries.map(([known, rule, name]) => [known ?? name, rule]))
    })
