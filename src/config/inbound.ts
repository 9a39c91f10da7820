/** The section `inbound`: what becomes of mail from other servers: by whom it comes, and where its author cannot be who From says. */
import { z } from 'zod'
import { screenSettings } from './dnsbl.ts'
import { section } from './limits.ts'

export const DMARC_ACTIONS = ['reject', 'junk', 'mark'] as const
const MAX_SEALERS = 1_000

const said = (expected: string) => ({ error: expected })
const DOMAIN = 'a domain, such as example.org'

type Canonical = (text: string) => string | undefined

/** What is done, by domain; `canonical`: the form of a domain that is compared. */
export const byDomain = <A extends z.ZodType>(action: A, canonical: Canonical) =>
  z.record(z.string(), action, said('a map of domains to actions, such as { example.org: junk }')).transform((given, ctx) => {
    const entries = Object.entries(given).map(([name, what]) => [canonical(name), what, name] as const)
    for (const [known, , name] of entries) if (known === undefined) ctx.addIssue({ code: 'custom', message: DOMAIN, path: [name] })
    return Object.fromEntries(entries.map(([known, what, name]) => [known ?? name, what]))
  })

/** `domain` reads the canonical form of one. */
export function inboundSection<D extends z.ZodType<string>>(domain: D, canonical: Canonical) {
  const action = z.enum(DMARC_ACTIONS, said(`one of ${DMARC_ACTIONS.join(', ')}`))
  return section({
    authenticate: z.boolean(said('true or false')),
    dmarc: action,
    domains: byDomain(action, canonical),
    ...screenSettings(domain),
    seal: z.boolean(said('true or false')),
    trusted_sealers: z.array(domain, said('a list of domains')).max(MAX_SEALERS, said(`a list of at most ${MAX_SEALERS} domains`)),
  })
    .partial()
    .optional()
}
