/** A server with filled mailboxes, started twice: filled, then fresh, as it is after a restart on a working day. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../src/auth/password.ts'
import { dataFolder, startServer, type TestServer } from '../support/server.ts'
import { ADDRESSES } from './crowds.ts'
import { TlsWire } from './tls-wire.ts'

export interface SiteOptions {
  readonly accounts: number
  /** In each INBOX. */
  readonly messages: number
  readonly env?: NodeJS.ProcessEnv
  /** More lines for the config. */
  readonly config?: string
}

/** `close` stops it, the folder stays. */
export interface SiteServer extends TestServer, AsyncDisposable {
  readonly ca: string
}

export interface Site {
  readonly dir: string
  readonly users: readonly { readonly address: string; readonly password: string }[]
  start(): Promise<SiteServer>
}

const PASSWORD = 'idle-secret'
const FIRST = 10
const FOLDED_MS = 75_000
const MANY = 1_000_000

export async function makeSite({ accounts, messages, env = {}, config = '' }: SiteOptions): Promise<Site> {
  const users = Array.from({ length: accounts }, (_, i) => ({ address: `user${i}@example.org`, password: PASSWORD }))
  const hash = await hashPassword(PASSWORD)
  const text = [
    'hostname: localhost',
    'domains: [example.org]',
    'log: { level: warn }',
    'mailboxes:',
    ...users.map(({ address }) => `  - { address: ${address}, password_hash: "${hash}" }`),
    'limits:',
    `  exempt: ["127.0.0.1", ${ADDRESSES.map((address) => `"${address}"`).join(', ')}]`,
    `  connections: { total: ${MANY}, before_login: ${MANY}, per_address: ${MANY}, new_per_minute: ${MANY} }`,
    `  imap: { sessions_per_account: ${MANY} }`,
    config,
    '',
  ].join('\n')
  const dir = dataFolder()
  const start = async (): Promise<SiteServer> => {
    const server = await startServer({ dir, config: text, env })
    const ca = readFileSync(server.endpoints.ca, 'utf8')
    return Object.create(server, { ca: { value: ca }, [Symbol.asyncDispose]: { value: () => server.close() } }) as SiteServer
  }
  {
    await using server = await start()
    for (const { address } of users) await fill(server, address, messages)
    // The log of so many copies is folded within a minute: a mailbox of a working day is.
    await sleep(FOLDED_MS)
  }
  return { dir, users, start }
}

/** A few messages by APPEND, the rest by COPY. */
async function fill(server: SiteServer, address: string, messages: number): Promise<void> {
  const client = await TlsWire.imap(server.port('imaps'), server.ca, { address, password: PASSWORD })
  for (let i = 0; i < FIRST; i++) {
    const text = `From: a@example.org\r\nTo: ${address}\r\nSubject: message ${i}\r\nMessage-ID: <${i}@example.org>\r\n\r\nHello\r\n`
    await client.ok(`APPEND INBOX {${text.length}+}\r\n${text}`)
  }
  await client.ok('SELECT INBOX')
  for (let has = FIRST; has < messages; has += Math.min(has, messages - has)) await client.ok(`COPY 1:${Math.min(has, messages - has)} INBOX`)
  client.close()
}
