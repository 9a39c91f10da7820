/** A whole server with a mailbox for each case, mail put in by SMTP or APPEND, and what IMAP says is there. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { ImapFlow } from 'imapflow'
import { generateAppPassword, hashAppPassword } from '../../../src/auth/app-password.ts'
import { hashPassword } from '../../../src/auth/password.ts'
import { formatVerifier, makeVerifier, newSalting } from '../../../src/auth/scram.ts'
import { testDatabase } from '../../support/postgres.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { Session } from '../../support/session.ts'

export const PASSWORD = 'pop3 clients secret'
export const DOMAIN = 'example.test'
/** The app password that `imap` uses. */
const LOOKS = 'looks'

/** The section `pop3` as postern.yaml has it. */
export type Policy = Readonly<Record<string, string | number | boolean>>

export interface Wanted {
  readonly pop3?: Policy
  /** App passwords by name, each with a policy of its own. */
  readonly apps?: Readonly<Record<string, Policy>>
}

/** Who a client logs in as, and where. */
export interface Account {
  readonly user: string
  readonly password: string
  readonly port: number
  /** Path of the certificate that the server shows. */
  readonly ca: string
}

export interface Kept {
  readonly source: Buffer
  readonly flags: readonly string[]
}

export interface Site extends AsyncDisposable {
  readonly server: TestServer
  account(user: string, app?: string): Account
  /** As another mail server would, each message to all of them; lines end in CRLF. */
  deliver(users: readonly string[], messages: readonly Buffer[]): Promise<void>
  /** Any octets. */
  append(user: string, messages: readonly Buffer[], mailbox?: string): Promise<void>
  /** What IMAP shows in a mailbox, in the order of its UIDs. */
  shown(user: string, mailbox?: string): Promise<Kept[]>
  imap<T>(user: string, what: (imap: ImapFlow) => Promise<T>): Promise<T>
}

export interface SiteOptions {
  /** For the configuration. */
  readonly more?: object
  /** Every password has what SCRAM needs, so that it is offered. */
  readonly scram?: boolean
}

export async function makeSite(users: Readonly<Record<string, Wanted>>, { more = {}, scram = false }: SiteOptions = {}): Promise<Site> {
  const database = await testDatabase()
  const hash = await hashPassword(PASSWORD)
  const salting = newSalting()
  const verifier = async (password: string) => (scram ? { scram: formatVerifier((await makeVerifier(password, salting))!) } : {})
  const own = { password_hash: hash, ...(await verifier(PASSWORD)) }
  const apps = new Map<string, string>()
  const appPassword = async (user: string, entry: { name: string; scopes: string[]; pop3?: Policy }) => {
    const password = generateAppPassword()
    apps.set(`${user} ${entry.name}`, password)
    return { ...entry, hash: hashAppPassword(password), ...(await verifier(password)) }
  }
  const mailbox = async ([user, wanted]: [string, Wanted]) => ({
    ...{ address: `${user}@${DOMAIN}`, ...own },
    ...(wanted.pop3 && { pop3: wanted.pop3 }),
    app_passwords: await Promise.all([
      // Argon2 for every look at a mailbox would take long.
      appPassword(user, { name: LOOKS, scopes: ['imap'] }),
      ...Object.entries(wanted.apps ?? {}).map(([name, pop3]) => appPassword(user, { name, scopes: ['pop3'], pop3 })),
    ]),
  })
  const config = {
    hostname: 'localhost',
    domains: [DOMAIN],
    log: { level: 'warn' },
    limits: { exempt: ['127.0.0.1', '::1'] },
    mailboxes: await Promise.all(Object.entries(users).map(mailbox)),
    ...more,
  }
  // JSON is YAML.
  const server = await startServer({ config: JSON.stringify(config), env: { DATABASE_URL: database.url } })
  const { ca } = server.endpoints

  async function imap<T>(user: string, what: (client: ImapFlow) => Promise<T>): Promise<T> {
    const client = new ImapFlow({
      ...{ host: 'localhost', port: server.port('imaps'), secure: true, logger: false },
      auth: { user: `${user}@${DOMAIN}`, pass: apps.get(`${user} ${LOOKS}`)! },
      tls: { ca: readFileSync(ca) },
    })
    await client.connect()
    try {
      return await what(client)
    } finally {
      await client.logout()
    }
  }

  return {
    server,
    imap,
    account: (user, app) => ({
      ...{ user: `${user}@${DOMAIN}`, port: server.port('pop3s'), ca },
      password: app === undefined ? PASSWORD : (apps.get(`${user} ${app}`) ?? assert.fail(app)),
    }),
    async deliver(to, messages) {
      const session = await Session.open(server.port('mx'), false)
      const say = async (command: string | undefined, reply: RegExp) => assert.match(await session.reply(command), reply, command?.slice(0, 80))
      await say(undefined, /^220/)
      await say('EHLO sender.test', /^250/)
      for (const message of messages) {
        await say('MAIL FROM:<a@sender.test>', /^250/)
        for (const user of to) await say(`RCPT TO:<${user}@${DOMAIN}>`, /^250/)
        await say('DATA', /^354/)
        await say(`${message.toString('latin1').replaceAll(/^\./gm, '..')}.`, /^250/)
      }
      session.destroy()
    },
    append: (user, messages, mailbox = 'INBOX') =>
      imap(user, async (client) => {
        for (const message of messages) assert.ok(await client.append(mailbox, message))
      }),
    shown: (user, mailbox = 'INBOX') =>
      imap(user, async (client) => {
        const lock = await client.getMailboxLock(mailbox, { readOnly: true })
        const kept: Kept[] = []
        const any = client.mailbox && client.mailbox.exists > 0
        for await (const { source, flags } of any ? client.fetch('1:*', { source: true, flags: true }) : [])
          kept.push({ source: source!, flags: [...flags!].filter((flag) => flag !== '\\Recent').sort() })
        lock.release()
        return kept
      }),
    async [Symbol.asyncDispose]() {
      await server.close()
      await database.close()
    },
  }
}
