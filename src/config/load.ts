/** A config file → `Config`, or every complaint about it. */
import { readFileSync } from 'node:fs'
import { type Document, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { faultOf } from '../file-faults.ts'
import { checkAddresses } from './addresses.ts'
import { ConfigRefused, complain, complainAll, place, type Source } from './complain.ts'
import { type Config, type ConfigSchema, type MailboxConfig, schemaFor, type Words } from './schema.ts'
import { tlsTrouble } from './tls.ts'

/** A config larger than this is some other file. */
const MAX_CONFIG_OCTETS = 8 * 1024 * 1024

export interface Loaded {
  readonly config: Config
  readonly source: Source
}

/** Throws ConfigRefused. */
export function loadConfig(file: string, words: Words): Loaded {
  return checkConfig(readConfig(file), words)
}

/** The file as a document that can be edited. Throws ConfigRefused when it is missing or is no YAML. */
export function readConfig(file: string): Source {
  return parseConfig(file, readText(file))
}

function readText(file: string): string {
  try {
    const octets = readFileSync(file)
    if (octets.length > MAX_CONFIG_OCTETS) throw new Error(`it is larger than ${MAX_CONFIG_OCTETS} octets`)
    return octets.toString('utf8')
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    const reason = missing ? 'it is not there; --data or --config says where it is' : faultOf(cause)
    throw new ConfigRefused(`${file}:1:1: the config file cannot be read: ${reason}`, { cause })
  }
}

export function parseConfig(file: string, text: string): Source {
  const lines = new LineCounter()
  const doc: Document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  // The first one: what follows is mostly its echo.
  const [error] = doc.errors
  if (error) throw new ConfigRefused(`${place({ file, lines }, error.pos[0])}: this is no YAML: ${error.message}`)
  return { file, doc, lines }
}

/** Throws ConfigRefused. */
export function checkConfig(source: Source, words: Words): Loaded {
  const schema = schemaFor(words)
  const result = schema.safeParse(withoutEmpty(toPlain(source)))
  if (!result.success) throw complainAll(source, result.error.issues, (path) => keysAt(schema, path))
  const config = result.data
  checkTogether(source, config, words)
  return { config, source }
}

function toPlain({ doc, file }: Source): unknown {
  try {
    return doc.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (cause) {
    throw new ConfigRefused(`${file}:1:1: this is no YAML that can be used: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

/** `redis:` with nothing after it is as good as no line at all. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== null)
      .map(([k, v]) => [k, withoutEmpty(v)]),
  )
}

/** Names of the settings in the section at `path`. */
function keysAt(schema: ConfigSchema, path: readonly PropertyKey[]): string[] {
  let at: z.ZodType | undefined = schema
  for (const part of path) {
    const here: z.ZodType | undefined = inner(at)
    if (here instanceof z.ZodArray) at = here.element as z.ZodType
    else at = here instanceof z.ZodObject ? (here.shape as Record<string, z.ZodType>)[String(part)] : undefined
  }
  const here = inner(at)
  return here instanceof z.ZodObject ? Object.keys(here.shape) : []
}

function inner(type: z.ZodType | undefined): z.ZodType | undefined {
  let at = type
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault) at = at.unwrap() as z.ZodType
  return at
}

/** What no single setting can tell. */
function checkTogether(source: Source, config: Config, words: Words): void {
  const local = new Set(config.domains)
  const owners = new Map<string, string>()
  for (const [i, { address }] of config.mailboxes.entries()) {
    if (owners.has(address)) throw complain(source, ['mailboxes', i, 'address'], `there is already a mailbox ${address}`)
    owners.set(address, address)
  }
  for (const [i, mailbox] of config.mailboxes.entries()) {
    checkAppPasswords(source, i, { mailbox, words })
    checkKeepDays(source, i, mailbox)
  }
  for (const [i, { address, aliases }] of config.mailboxes.entries()) {
    for (const [key, each] of [[['address'], address] as const, ...aliases.map((a, n) => [['aliases', n], a] as const)]) {
      const path = ['mailboxes', i, ...key]
      const domain = each.slice(each.lastIndexOf('@') + 1)
      if (!local.has(domain))
        throw complain(source, path, `the domain of ${each} is not among the local ones (${[...local].join(', ')}): add it to "domains"`)
      if (key[0] === 'address') continue
      const owner = owners.get(each)
      if (owner) throw complain(source, path, `the address ${each} is given twice: ${owner} has it already`)
      owners.set(each, address)
    }
  }
  if (config.postmaster && !config.mailboxes.some((m) => m.address === config.postmaster))
    throw complain(source, ['postmaster'], `postmaster must be the address of one of the mailboxes, and ${config.postmaster} is none`)
  checkAddresses(source, config, owners)
  checkPublic(source, config)
  for (const domain of Object.keys(config.inbound?.domains ?? {}))
    if (!local.has(domain)) throw complain(source, ['inbound', 'domains'], `${domain} is not among "domains": mail for it is not taken at all`)
  checkScan(source, config)
  for (const name of ['database', 'redis'] as const)
    if (config[name]?.url && config[name].url_file) throw complain(source, [name, 'url_file'], `${name} has both url and url_file: keep one`)
  const { client_secret: secret, client_secret_file: secretFile } = config.oidc?.introspection ?? {}
  if (config.oidc?.introspection && (secret === undefined) === (secretFile === undefined))
    throw complain(source, ['oidc', 'introspection'], 'oidc.introspection needs client_secret or client_secret_file, one of them')
  const tls = config.tls && tlsTrouble(config.tls)
  if (tls !== undefined) throw complain(source, ['tls'], tls)
  if (config.tls?.acme && config.listeners?.https?.enabled === false)
    throw complain(source, ['listeners', 'https', 'enabled'], 'tls.acme needs the listener https: authorities look there who serves a name')
  if (config.relay) checkRelay(source, ['relay'], config.relay)
  for (const [i, route] of (config.outbound?.routes ?? []).entries()) checkRelay(source, ['outbound', 'routes', i], route)
}

interface RelayLogin {
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly password_file?: string | undefined
}

function checkRelay(source: Source, path: readonly (string | number)[], { user, password, password_file: file }: RelayLogin): void {
  const name = path
    .map((part) => (typeof part === 'number' ? `[${part + 1}]` : part))
    .join('.')
    .replaceAll('.[', '[')
  if (password && file) throw complain(source, [...path, 'password_file'], `${name} has both password and password_file: keep one`)
  if ((user === undefined) !== ((password ?? file) === undefined))
    throw complain(source, path, `${name} needs user and password (or password_file) together, or neither`)
}

function checkPublic(source: Source, config: Config): void {
  const users = new Set(config.mailboxes.map(({ address }) => address))
  const names = new Set<string>()
  for (const [i, { name, rights }] of (config.public ?? []).entries()) {
    if (names.has(name.normalize('NFC'))) throw complain(source, ['public', i, 'name'], `there are two public mailboxes named ${name}`)
    names.add(name.normalize('NFC'))
    for (const who of Object.keys(rights).map((key) => key.replace(/^-/, '')))
      if (who !== 'anyone' && !users.has(who))
        throw complain(source, ['public', i, 'rights'], `rights are for addresses of mailboxes, or for anyone, and ${who} is neither`)
  }
  if (config.public?.length && config.sharing?.enabled === false)
    throw complain(source, ['public'], 'public mailboxes need sharing: leave "sharing.enabled" at true')
}

/** A life in days means something only for what is kept. */
function checkKeepDays(source: Source, at: number, { pop3, app_passwords: passwords }: MailboxConfig): void {
  const sections = [
    { path: ['mailboxes', at, 'pop3'], said: pop3, policy: pop3?.after_download },
    ...passwords.map((p, i) => ({
      path: ['mailboxes', at, 'app_passwords', i, 'pop3'],
      said: p.pop3,
      policy: p.pop3?.after_download ?? pop3?.after_download,
    })),
  ]
  for (const { path, said, policy } of sections)
    if (said?.keep_days !== undefined && policy !== 'keep')
      throw complain(source, [...path, 'keep_days'], 'keep_days is for "after_download: keep": the other policies keep nothing in POP3\'s name')
}

function checkAppPasswords(source: Source, at: number, { mailbox, words }: { readonly mailbox: MailboxConfig; readonly words: Words }): void {
  const { address, scram: own, app_passwords: passwords } = mailbox
  const names = new Set<string>()
  let salting = own === undefined ? undefined : words.scramSalting(own)
  for (const [i, { name, scram }] of passwords.entries()) {
    const path = ['mailboxes', at, 'app_passwords', i]
    if (names.has(name)) throw complain(source, [...path, 'name'], `${address} has two app passwords named ${name}`)
    names.add(name)
    if (scram === undefined) continue
    salting ??= words.scramSalting(scram)
    // The salt goes to the client before it has said which of its passwords it uses.
    if (words.scramSalting(scram) !== salting)
      throw complain(source, [...path, 'scram'], `all scram lines of ${address} must have the same count and salt: make this app password anew`)
  }
}

function checkScan(source: Source, { scan, domains }: Config): void {
  if (scan?.clamav && (scan.clamav.host === undefined) === (scan.clamav.socket === undefined))
    throw complain(source, ['scan', 'clamav'], 'clamd is at a "host" or at a "socket": name one of them')
  for (const name of ['rspamd', 'clamav'] as const)
    for (const domain of Object.keys(scan?.[name]?.domains ?? {}))
      if (!domains.includes(domain))
        throw complain(source, ['scan', name, 'domains'], `${domain} is not among "domains": mail for it is not taken at all`)
}
