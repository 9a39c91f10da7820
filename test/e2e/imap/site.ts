/** A whole server with one user for each mail program, and a plain client that says what is in a mailbox. */
import assert from 'node:assert/strict'
import { hashPassword } from '../../../src/auth/password.ts'
import { testDatabase } from '../../support/postgres.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { Session } from '../../support/session.ts'

export const PASSWORD = 'clients-secret'
export const DOMAIN = 'example.test'
/** Answers to a STORE of thousands, on a machine that tests keep busy. */
const WITHIN = 60_000

export interface Site extends AsyncDisposable {
  readonly server: TestServer
  readonly port: number
  /** Path of the certificate that it shows. */
  readonly ca: string
}

export async function makeSite(users: readonly string[]): Promise<Site> {
  const database = await testDatabase()
  const hash = await hashPassword(PASSWORD)
  const config = [
    'hostname: localhost',
    `domains: [${DOMAIN}]`,
    'log: { level: warn }',
    'limits: { exempt: ["127.0.0.1", "::1"] }',
    'mailboxes:',
    ...users.map((user) => `  - { address: ${user}@${DOMAIN}, password_hash: "${hash}" }`),
    '',
  ].join('\n')
  const server = await startServer({ config, env: { DATABASE_URL: database.url } })
  return {
    server,
    port: server.port('imaps'),
    ca: server.endpoints.ca,
    async [Symbol.asyncDispose]() {
      await server.close()
      await database.close()
    },
  }
}

/** What both sides of a synchronisation must agree on: `X-Token` of each message → its flags, sorted, of those that a Maildir can say. */
export type Contents = Map<string, string>

const MAILDIR_FLAGS: Readonly<Record<string, string>> = { '\\Seen': 'S', '\\Flagged': 'F', '\\Answered': 'R', '\\Draft': 'D' }

export const mail = (token: string): string =>
  `From: Ann <ann@sender.test>\r\nTo: bob@${DOMAIN}\r\nSubject: mail ${token}\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nMessage-ID: <${token}@sender.test>\r\nX-Token: ${token}\r\n\r\nThis is ${token}.\r\n`

/** The far side, changed by somebody else. */
export class FarSide implements Disposable {
  readonly #session: Session

  private constructor(session: Session) {
    this.#session = session
  }

  static async open({ port }: Site, user: string): Promise<FarSide> {
    const session = await Session.open(port, true)
    await session.until(/^\* OK/)
    const far = new FarSide(session)
    await far.ok(`LOGIN ${user}@${DOMAIN} ${PASSWORD}`)
    return far
  }

  /** The untagged lines. */
  async ok(command: string): Promise<string[]> {
    this.#session.send(`t ${command}\r\n`)
    const lines = await this.#session.until(/^t /, WITHIN)
    assert.match(lines.at(-1)!, /^t OK/, command.slice(0, 80))
    return lines.slice(0, -1)
  }

  /** Sent ahead, not one after the other. */
  async append(mailbox: string, tokens: readonly string[], flags = ''): Promise<void> {
    const send = tokens.map((token, i) => `a${i} APPEND ${mailbox} (${flags}) {${mail(token).length}+}\r\n${mail(token)}\r\n`)
    const done = this.#session.until(new RegExp(`^a${tokens.length - 1} `), WITHIN)
    this.#session.send(send.join(''))
    const refused = (await done).filter((line) => /^a\d+ (?!OK)/.test(line))
    assert.deepEqual(refused, [])
  }

  async contents(mailbox: string): Promise<Contents> {
    await this.ok(`EXAMINE ${mailbox}`)
    const found: Contents = new Map()
    let flags = ''
    for (const line of await this.ok('UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-Token)])')) {
      const told = /FLAGS \(([^)]*)\)/.exec(line)
      if (told) flags = letters(told[1]!.split(' ').flatMap((flag) => MAILDIR_FLAGS[flag] ?? []))
      const token = /^X-Token: (\S+)/i.exec(line)
      if (!token) continue
      assert.ok(!found.has(token[1]!), `${token[1]} is there twice`)
      found.set(token[1]!, flags)
    }
    await this.ok('UNSELECT')
    return found
  }

  /** UIDs of the selected mailbox's messages with these tokens, as a set. */
  async uids(tokens: readonly string[]): Promise<string> {
    const wanted = new Set(tokens)
    const found: string[] = []
    let uid = ''
    for (const line of await this.ok('UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Token)]')) {
      uid = /UID (\d+)/.exec(line)?.[1] ?? uid
      if (wanted.has(/^X-Token: (\S+)/i.exec(line)?.[1] ?? '')) found.push(uid)
    }
    assert.equal(found.length, tokens.length)
    return found.join(',')
  }

  [Symbol.dispose](): void {
    this.#session.destroy()
  }
}

export const letters = (all: readonly string[]): string => [...all].sort().join('')
