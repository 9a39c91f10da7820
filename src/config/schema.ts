/** What a config file may say. Every message completes the sentence "KEY must be …". */
import { z } from 'zod'
import { addressSections, inboundSettings } from './address-sections.ts'
import { isNetwork } from './dnsbl.ts'
import { inboundSection } from './inbound.ts'
import { limits, section } from './limits.ts'
import { LOG_LEVELS, MAX_WORKERS, MTA_STS_MODES, ROLES, SCOPES } from './names.ts'
import { outboundSections } from './outbound.ts'
import { pop3 } from './pop3.ts'
import { publicMailboxes } from './public.ts'
import { scanSection } from './scan.ts'
import { submission } from './submission.ts'
import { tlsSection } from './tls.ts'
import { count, size, time } from './units.ts'

/** The words of mail that the file is checked with; given by the caller, since config knows nothing of mail. undefined: not one. */
export interface Words {
  /** Canonical form of an address. */
  readonly address: (text: string) => string | undefined
  /** Canonical form of a domain or host name. */
  readonly domain: (text: string) => string | undefined
  /** Whether a password can be checked against that hash. */
  readonly isHash: (text: string) => boolean
  /** The same of an app password. */
  readonly isAppHash: (text: string) => boolean
  /** Salting of a SCRAM verifier, equal for those that one exchange can check; undefined: it is none. */
  readonly scramSalting: (text: string) => string | undefined
  /** Names of IMAP capabilities, upper case: those that can be missed, and those that are only there on request. */
  readonly capabilities: { readonly disable: ReadonlySet<string>; readonly enable: ReadonlySet<string> }
}

export { LOG_LEVELS, MAX_WORKERS, ROLES, type Role, SERVICES, type ServiceName } from './names.ts'

const said = (expected: string) => ({ error: expected })
const text = (expected: string) => z.string(said(expected)).min(1, said(expected))
const oneOf = <const T extends readonly [string, ...string[]]>(values: T) => z.enum(values, said(`one of ${values.join(', ')}`))
const PORT = 'a port number, 1 to 65535'
const port = z.int(said(PORT)).min(1, said(PORT)).max(65_535, said(PORT))
/** Names are shown a line each. */
const nameFor = (expected: string) => text(expected).regex(/^\P{Cc}+$/u, said('a name on one line'))
const WORKERS = `auto, or a number of processes from 1 to ${MAX_WORKERS}`
const POSTGRES = 'a URL, such as postgres://user@host/database'
const yesNo = z.boolean(said('true or false'))

/** Of one mailbox: all of them are tried at a login. */
const MAX_APP_PASSWORDS = 50
const MAX_NAME = 100

/** Text that `read` brings to its canonical form. */
const read = (parse: (text: string) => string | undefined, expected: string) =>
  text(expected).transform((value, ctx) => {
    const parsed = parse(value)
    if (parsed !== undefined) return parsed
    ctx.addIssue({ code: 'custom', message: expected })
    return z.NEVER
  })

const listenerThat = (isOn: boolean) =>
  section({
    enabled: yesNo.default(isOn),
    host: text('an IP address to listen on, such as 0.0.0.0 or "::"').optional(),
    port: port.optional(),
  })
const listener = listenerThat(true)

/** TLS, or this host itself. */
function isWebAddress(value: string): boolean {
  if (!URL.canParse(value)) return false
  const { protocol, hostname, username, search, hash } = new URL(value)
  if (username !== '' || search !== '' || hash !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
}

const webAddress = text('an https:// URL').refine(isWebAddress, said('an https:// URL, without a query'))

const servers = <S extends Record<string, z.ZodType>>(url: z.ZodType<string>, more: S) =>
  section({ url, url_file: text('the path of a file that holds the URL'), ...more })
    .partial()
    .optional()

export function schemaFor(words: Words) {
  const address = read(words.address, 'an address, such as ann@example.org')
  const domain = read(words.domain, 'a domain, such as example.org')
  const capabilities = (known: ReadonlySet<string>, of: string) => {
    const expected = known.size > 0 ? `${of}: ${[...known].sort().join(', ')}` : 'left out: there is none to name'
    const named = read((value) => (known.has(value.toUpperCase()) ? value.toUpperCase() : undefined), expected)
    return z.array(named, said('a list of IMAP capabilities, such as [IDLE]'))
  }
  const disable = capabilities(words.capabilities.disable, 'an IMAP capability that can be missed')
  const scram = text('a SCRAM verifier')
    .refine((value) => words.scramSalting(value) !== undefined, said('a SCRAM-SHA-256$ verifier as "postern mailbox passwd" writes it'))
    .optional()
  const appPassword = section({
    name: nameFor('a name for the program or device').max(MAX_NAME, said(`a name of up to ${MAX_NAME} characters`)),
    hash: text('its hash').refine(words.isAppHash, said('a $sha256$ hash as "postern mailbox app-password add" writes it')),
    scram,
    scopes: z
      .array(oneOf(SCOPES), said(`a list of ${SCOPES.join(', ')}`))
      .min(1, said(`a list of at least one of ${SCOPES.join(', ')}`))
      .default([...SCOPES]),
    disable: disable.default([]),
    pop3,
    submission,
  })
  const mailbox = section({
    address,
    name: nameFor('a name for people, such as Ann Example').optional(),
    password_hash: text('an argon2id hash').refine(
      words.isHash,
      said('an argon2id hash as "postern mailbox passwd" writes it, never the password itself'),
    ),
    scram,
    aliases: z.array(address, said('a list of addresses')).default([]),
    quota: size.optional(),
    pop3,
    submission,
    app_passwords: z
      .array(appPassword, said('a list of app passwords'))
      .max(MAX_APP_PASSWORDS, said(`a list of at most ${MAX_APP_PASSWORDS}`))
      .default([]),
    disable: disable.default([]),
    ...inboundSettings,
  })
  return section({
    hostname: read(words.domain, 'the name of this host, such as mail.example.org'),
    domains: z.array(domain, said('a list of domains, such as [example.org]')).min(1, said('a list of at least one domain')),
    mailboxes: z.array(mailbox, said('a list of mailboxes')).default([]),
    postmaster: address.optional(),
    ...addressSections,
    sharing: section({ enabled: yesNo.default(true) }).optional(),
    public: publicMailboxes(words.address).optional(),
    generation: z.int(said('a whole number, 1 or more')).min(1, said('a whole number, 1 or more')).optional(),
    listeners: section({
      mx: listener,
      submission: listener,
      submissions: listener,
      imaps: listener,
      pop3s: listener,
      pop3: listenerThat(false),
      https: listener,
    })
      .partial()
      .optional(),
    mta_sts: oneOf(MTA_STS_MODES).optional(),
    database: servers(text(POSTGRES).regex(/^postgres(?:ql)?:\/\//, said(POSTGRES)), { wait: time }),
    redis: servers(text('a URL, such as redis://host:6379'), {}),
    workers: z.union([z.literal('auto'), z.int(said(WORKERS)).min(1, said(WORKERS)).max(MAX_WORKERS, said(WORKERS))], said(WORKERS)).optional(),
    roles: z
      .array(oneOf(ROLES), said(`a list of ${ROLES.join(', ')}`))
      .min(1, said('a list of at least one role'))
      .optional(),
    http: section({
      enabled: yesNo.default(true),
      host: text('an IP address to listen on, such as 127.0.0.1').default('127.0.0.1'),
      port: port.default(8025),
    }).optional(),
    proxy_protocol: section({
      from: z.array(
        text('an address or a network').refine(isNetwork, said('an address such as 192.0.2.7, or a network such as 10.0.0.0/24')),
        said('a list of addresses and networks'),
      ),
    }).optional(),
    tls: tlsSection(domain, address),
    ...outboundSections(domain, words.domain),
    inbound: inboundSection(domain, words.domain),
    scan: scanSection(words.domain),
    oidc: section({
      issuer: webAddress,
      audience: text('the name that the issuer has for this server in its tokens'),
      address_claim: text('the name of a claim, such as email').default('email'),
      unverified_addresses: yesNo.default(false),
      scopes: z.array(text('a scope'), said('a list of scopes, such as [mail]')).default([]),
      jwks: webAddress.optional(),
      introspection: section({
        url: webAddress.optional(),
        client_id: text('a client id'),
        client_secret: text('a secret').optional(),
        client_secret_file: text('the path of a file that holds the secret').optional(),
      }).optional(),
    }).optional(),
    disable: disable.optional(),
    enable: capabilities(words.capabilities.enable, 'an IMAP capability that is only there on request').optional(),
    limits: limits.optional(),
    log: section({ level: oneOf(LOG_LEVELS).optional() }).optional(),
    drain_seconds: count.max(600, said('a number of seconds up to 600')).optional(),
  })
}

export type ConfigSchema = ReturnType<typeof schemaFor>
/** A checked file, addresses and domains canonical, sizes in octets, times in milliseconds. */
export type Config = z.output<ConfigSchema>
export type MailboxConfig = Config['mailboxes'][number]
