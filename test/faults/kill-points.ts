/**
 * SIGKILL at a named point: right before a statement goes to Postgres, right after, and before its answer comes back; or at a moment of the client's. Then a new server on
 * the same database, and the ledger's rule: what was acknowledged is there exactly once, what was not at most once; after the client's retry exactly once.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { hashPassword } from '../../src/auth/password.ts'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { MailStore } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { openStore } from '../../src/store/pg/index.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { reapAccount } from '../../src/store/pg/reaper.ts'
import type { AccountId, ContentId } from '../../src/store/types.ts'
import { type CuttingProxy, cuttingProxy, type Point } from '../support/cutting-proxy.ts'
import { testDatabase } from '../support/postgres.ts'
import { dataFolder, startServer, type TestServer } from '../support/server.ts'
import { removeFolder } from '../support/temp.ts'

/** What cat's POP3 sessions fetch or delete goes to her Trash, and counts as read; of what bob sends a copy is kept. */
export const USERS = ['ann', 'bob', 'cat'] as const
export type User = (typeof USERS)[number]
/** Of their mailboxes in the config. */
const MORE: Partial<Record<User, string>> = {
  cat: ', pop3: { after_download: trash, seen_on_retr: true }',
  bob: ', submission: { sent_copy: true }',
}
export const PASSWORD = 'a password of tests'

/** A line dialogue; '' is the end of the connection. */
export class Wire {
  readonly #socket: Socket
  readonly #lines: AsyncGenerator<string>

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1').on('error', () => {})
    this.#lines = linesOf(socket)
  }

  static async open(server: TestServer, service: 'mx' | 'submissions' | 'imaps' | 'pop3s'): Promise<Wire> {
    const at = { host: '127.0.0.1', port: server.port(service), noDelay: true }
    const socket = service === 'mx' ? connectTcp(at) : connectTls({ ...at, rejectUnauthorized: false })
    await once(socket, service === 'mx' ? 'connect' : 'secureConnect')
    const wire = new Wire(socket)
    await wire.line()
    return wire
  }

  send(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    return done ? '' : value
  }

  /** A line, and the last line of its answer. `tag`: how that one begins. */
  async say(text: string, tag: RegExp): Promise<string> {
    this.send(`${text}\r\n`)
    for (;;) {
      const line = await this.line()
      if (line === '' || tag.test(line)) return line
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function* linesOf(socket: Socket): AsyncGenerator<string> {
  let text = ''
  try {
    for await (const chunk of socket) {
      text += chunk
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        if (line !== '') yield line
      }
    }
  } catch {
    // The server is gone.
  }
}

/** A server behind the proxy, and a store that looks at its database past it. */
export class House {
  readonly store: MailStore
  readonly proxy: CuttingProxy
  readonly access: Readonly<Record<User, AccountAccess>>
  readonly sql: Pool
  readonly #dir: string
  readonly #env: NodeJS.ProcessEnv
  readonly #ends: (() => Promise<unknown>)[]
  server!: TestServer
  kills = 0

  private constructor(
    parts: Pick<House, 'store' | 'proxy' | 'access' | 'sql'> & { dir: string; env: NodeJS.ProcessEnv; ends: (() => Promise<unknown>)[] },
  ) {
    this.store = parts.store
    this.proxy = parts.proxy
    this.access = parts.access
    this.sql = parts.sql
    this.#dir = parts.dir
    this.#env = parts.env
    this.#ends = parts.ends
  }

  /** `lines` of the config. */
  static async build(...lines: readonly string[]): Promise<House> {
    const db = await testDatabase()
    const drivers = createMemoryDrivers(silentLog())
    const opened = await openStore({ connect: db.connect, drivers, log: silentLog() })
    const proxy = await cuttingProxy(db.connect)
    const dir = dataFolder()
    const hash = await hashPassword(PASSWORD)
    const more = (user: User): string => MORE[user] ?? ''
    const mailboxes = USERS.map((user) => `  - { address: ${user}@example.test, password_hash: "${hash}"${more(user)} }`)
    const config = ['hostname: localhost', 'domains: [example.test]', 'log: { level: warn }', ...lines, 'mailboxes:', ...mailboxes, ''].join('\n')
    // What Node compiled it keeps at an orderly end: every start after this one takes half the time.
    const env = { DATABASE_URL: proxy.url, NODE_COMPILE_CACHE: join(dir, 'compiled') }
    await (await startServer({ dir, config, env })).stop()
    const first = await startServer({ dir, env })
    const grant = async (user: User) => opened.accounts.grant((await opened.accounts.login(`${user}@example.test`))!)
    const access = { ann: await grant('ann'), bob: await grant('bob'), cat: await grant('cat') }
    const sql = new Pool({ connect: db.connect, max: 1, log: silentLog() })
    const ends = [() => sql.close(), () => opened.close(), () => drivers.close(), () => proxy.close(), () => db.close()]
    const house = new House({ store: opened.store, proxy, access, sql, dir, env, ends })
    house.server = first
    return house
  }

  async kill(): Promise<void> {
    this.kills++
    await this.server.kill()
  }

  /** A new server in place of a killed one, once Postgres has let go of what that one was doing. */
  async restart(): Promise<void> {
    this.server = await startServer({ dir: this.#dir, env: this.#env })
    while (
      (await this.number(
        "select count(*) from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()",
      )) > 0
    )
      await sleep(5)
  }

  async number(text: string): Promise<number> {
    let n = Number.NaN
    await this.sql.rows({ name: '', text }, [], (row) => {
      n = row.long()
    })
    return n
  }

  /** Messages of a mailbox, and how many of them are read. */
  async count(user: User, name = 'INBOX'): Promise<{ exists: number; seen: number }> {
    const { exists, unseen } = await this.store.status(await this.store.open(this.access[user], name, false))
    return { exists, seen: exists - unseen }
  }

  /** Whether the last message of an inbox ends with `text`: all its chunks are there. */
  async endsWith(user: User, text: string): Promise<boolean> {
    const inbox = await this.store.open(this.access[user], 'INBOX', false)
    await using selected = await this.store.select(inbox, { changed() {}, gone() {} })
    const segment = selected.index.segments.at(-1)!
    const id = segment.contents[segment.count - 1]! as ContentId
    const size = segment.sizes[segment.count - 1]!
    const pieces: Buffer[] = []
    for await (const piece of this.store.read(this.access[user], id, 0, size)) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces).toString('latin1').endsWith(text)
  }

  /** Staged chunks that no message has, after the reaper was there. */
  async orphans(): Promise<number> {
    for (const { account } of Object.values(this.access)) await reapAccount(this.sql, account as AccountId, 0)
    return this.number(
      'select count(*) from content_chunk k where not exists (select 1 from content c where c.account_id = k.account_id and c.content_id = k.content_id)',
    )
  }

  /** A mailbox of ann's with `n` messages. */
  async filled(name: string, n: number, flags: readonly string[] = []): Promise<void> {
    const { ann } = this.access
    await this.store.create(ann, name)
    if (n === 0) return
    const stage = this.store.stage(ann, 1_000)
    await stage.write(Buffer.from('Subject: one of many\r\n\r\nx\r\n'))
    const message = { content: await stage.finish(), flags, internalDate: 1 }
    await this.store.append(await this.store.open(ann, name, true), Array<typeof message>(n).fill(message))
  }

  async imap(user: User): Promise<Wire> {
    const wire = await Wire.open(this.server, 'imaps')
    assert.match(await wire.say(`a login ${user}@example.test "${PASSWORD}"`, /^a /), /^a OK/)
    return wire
  }

  async pop3(user: User): Promise<Wire> {
    await this.number('with gone as (delete from lease returning 1) select count(*) from gone')
    const wire = await Wire.open(this.server, 'pop3s')
    assert.match(await wire.say(`USER ${user}@example.test`, /^[+-]/), /^\+OK/)
    assert.match(await wire.say(`PASS ${PASSWORD}`, /^[+-]/), /^\+OK/)
    return wire
  }

  async close(): Promise<void> {
    await this.server.close()
    for (const end of this.#ends) await end()
    removeFolder(this.#dir)
  }
}

/** One try: what comes before the point, what the point is in, and what must hold. */
export interface Round {
  /** Resolves to whether it was acknowledged. `killed`: the client's own moments, where it has some. */
  act(at?: (moment: string) => Promise<void>): Promise<boolean>
  /** Asserts. `acknowledged` undefined: after the retry, so that it must be there exactly once. */
  check(acknowledged: boolean | undefined, where: string): Promise<void>
  /** The client's second try, where the protocol lets it have one. */
  readonly retry?: () => Promise<boolean>
  close(): void
}

export interface Scenario {
  readonly name: string
  /** Statements in which it is killed; those not named only read, or come after the answer. */
  readonly statements: readonly string[]
  /** Moments of the client's. */
  readonly moments?: readonly string[]
  begin(house: House, round: number): Promise<Round>
}

/** The points of a scenario, from one undisturbed run of it. */
export async function pointsOf(house: House, { begin, statements, name }: Scenario): Promise<Point[]> {
  const round = await begin(house, 0)
  house.proxy.at(undefined)
  assert.ok(await round.act(), `${name}, undisturbed`)
  const seen = house.proxy.seen.filter((statement) => statements.includes(statement))
  await round.check(true, `${name}, undisturbed`)
  round.close()
  const nth = new Map<string, number>()
  return seen.flatMap((statement) => {
    nth.set(statement, (nth.get(statement) ?? 0) + 1)
    return (['before', 'sent', 'answered'] as const).map((moment) => ({ statement, nth: nth.get(statement)!, moment }))
  })
}

let rounds = 0

/** Kills it there, starts it anew, and holds it to the rule. false: the run did not get to the point. */
export async function killAt(house: House, { begin, name }: Scenario, point: Point | string): Promise<boolean> {
  const where = `${name}, ${typeof point === 'string' ? point : `${point.moment} ${point.statement} ${point.nth}`}`
  const round = await begin(house, ++rounds)
  let killed: Promise<void> | undefined
  const kill = () => (killed ??= house.kill())
  if (typeof point === 'string') house.proxy.at(undefined)
  else house.proxy.at(point, kill)
  const acknowledged = await round.act(async (moment) => {
    if (moment === point) await kill()
  })
  house.proxy.at(undefined)
  round.close()
  if (killed === undefined) return false
  await killed
  await house.restart()
  await round.check(acknowledged, where)
  if (round.retry) {
    assert.ok(await round.retry(), `${where}: the retry is taken`)
    await round.check(undefined, `${where}, retried`)
  }
  return true
}
