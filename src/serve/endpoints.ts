/** Where the running server can be reached: `endpoints.json` for scripts, a table for people. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceName } from '../config/schema.ts'
import { KINDS } from './kinds.ts'
import { replace } from './lock.ts'
import type { Bound } from './ports.ts'

export interface Endpoints {
  /** A name in the certificate that resolves here. */
  readonly host: string
  /** Path of a PEM file that the certificate can be verified with. */
  readonly ca: string
  readonly pid: number
  /** The processes that serve, where there are several; `pid` keeps them then. */
  readonly workers?: readonly number[]
  /** Where health is asked for; left out: nowhere. */
  readonly http?: { readonly host: string; readonly port: number }
  /** URL of the database, password included. */
  readonly database: string
  readonly listeners: readonly { readonly service: ServiceName; readonly port: number; readonly tls: 'implicit' | 'starttls' | 'both' }[]
  /** `password`: while it is the one that Postern made up, else null. */
  readonly mailboxes: readonly { readonly address: string; readonly password: string | null }[]
}

const fileIn = (dir: string): string => join(dir, 'endpoints.json')

/** Whole or not at all, and for this user only. */
export const writeEndpoints = (dir: string, endpoints: Endpoints): void => replace(fileIn(dir), `${JSON.stringify(endpoints, null, 2)}\n`, 0o600)
/** undefined: no server is running, or none has written it yet. */
export function readEndpoints(dir: string): Endpoints | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(dir), 'utf8')) as Endpoints
  } catch {
    return undefined
  }
}
export const removeEndpoints = (dir: string): void => rmSync(fileIn(dir), { force: true })

export interface TableOptions {
  readonly host: string
  readonly hostname: string
  readonly domains: readonly string[]
  readonly bound: readonly Bound[]
  readonly user: string | undefined
  /** Shown now, and never again. */
  readonly password: string | undefined
  readonly configFile: string
  readonly dataDir: string
  readonly selfSigned: boolean
  /** One that is trusted is to come. */
  readonly acme: boolean
  /** Whether mail to other domains is taken. */
  readonly sends: boolean
}

const ROWS: readonly { service: ServiceName; what: string; security: string }[] = [
  { service: 'imaps', what: 'IMAP   (read mail)', security: 'SSL/TLS' },
  { service: 'pop3s', what: 'POP3   (fetch mail)', security: 'SSL/TLS' },
  { service: 'pop3', what: 'POP3   (fetch mail)', security: 'STARTTLS' },
  { service: 'submissions', what: 'SMTP   (send mail)', security: 'SSL/TLS' },
  { service: 'submission', what: 'SMTP   (send mail)', security: 'STARTTLS or SSL/TLS' },
  { service: 'mx', what: 'SMTP   (from other servers)', security: 'STARTTLS, no login' },
  { service: 'https', what: 'HTTPS  (set-up page)', security: 'TLS' },
]

/** What a person types into a mail program. */
export function table(o: TableOptions): string {
  const rows = ROWS.flatMap(({ service, what, security }) => {
    const found = o.bound.find((b) => b.service === service)
    return found ? [[what, o.host, `${found.port}`, security, service === 'mx' || service === 'https' ? '' : (o.user ?? '')]] : []
  })
  const all = [['Protocol', 'Host', 'Port', 'Security', 'User name'], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  const line = (row: readonly string[]): string => `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ')}`.trimEnd()
  return [
    '',
    `Postern is ready. It keeps the mail of ${o.domains.join(', ')} in ${o.dataDir}.`,
    '',
    ...all.map(line),
    '',
    ...(o.password === undefined
      ? []
      : [`  Password of ${o.user}: ${o.password}   (shown this once; "npx postern mailbox passwd" sets another)`, '']),
    ...notes(o).map((note) => `  ${note}`),
    '',
  ].join('\n')
}

function notes(o: TableOptions): string[] {
  const forbidden = o.bound.filter((b) => b.instead === 'forbidden')
  const taken = o.bound.filter((b) => b.instead === 'taken')
  const ports = (of: readonly Bound[]): string => of.map((b) => `${KINDS[b.service].standard}`).join(', ')
  return [
    ...(forbidden.length > 0 ? [`Ports below 1024 are not for this user, so others stand in for ${ports(forbidden)}.`] : []),
    ...(taken.length > 0 ? [`Another program has the standard ports ${ports(taken)}, so others stand in for them.`] : []),
    ...(o.host === 'localhost' ? [`From another computer the host is ${o.hostname}, or this machine's address.`] : []),
    ...(o.selfSigned && !o.acme ? ['The certificate is self-signed: your mail program asks once whether to trust it.'] : []),
    ...(o.selfSigned && o.acme ? ['The certificate is self-signed until the one by ACME is here: the log says when, or why not.'] : []),
    ...(o.sends ? [] : ['Mail to other domains is refused: "outbound.enabled" is false in the config.']),
    `Settings: ${o.configFile}   Stop: Ctrl-C`,
  ]
}
