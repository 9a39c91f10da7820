/** Connections to Postgres, and which of its errors mean what. */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { counts } from '../../counts.ts'
import type { Log } from '../../log.ts'
import { Unavailable } from '../errors.ts'
import { codeOf, isLost, translated, wordsOf } from './faults.ts'
import { Gate } from './gate.ts'
import { Hosts, urlsOf } from './hosts.ts'
import { BinaryConnection, BinaryQuery, type ConnectionConfig, type Param, type Row, type Statement } from './rows.ts'

export { isCheckViolation, isConflict, isLost, isUniqueViolation, isUnknownTable, translated } from './faults.ts'

/** Where Postgres is: a URL, or its parts (host may be a folder with a socket). */
export type Connect =
  | { readonly url: string }
  | { readonly host: string; readonly port: number; readonly user: string; readonly password: string; readonly database: string }

/** One statement may take this long, and wait this long for a lock; a transaction may be idle this long. Milliseconds. */
export const STATEMENT_TIMEOUT = 15_000
export const LOCK_TIMEOUT = 5_000
export const IDLE_TRANSACTION_TIMEOUT = 10_000
/** Longer than the server's own limit: only a connection that went dead without a word gets here. It is looked for so often. */
const REPLY_TIMEOUT = 17_000
const REPLY_LOOK = 1_000
/** A connection that is new may have to wait until a new incarnation is finished. */
const ADMIT_TIMEOUT = 90_000
/** To be connected, or to get a connection that another gives back; and how many may wait for that at a time. */
const CONNECT_TIMEOUT = 5_000
export const MAX_WAITING = 1_000
/** Of several hosts one that is away costs the others this. */
const HOST_TIMEOUT = 2_000
/** Between attempts to have a connection again, which are patient by themselves while nobody answers. */
const REGAIN_MS = 100
/** A connection is used this long, and up to half as long again: so that those of many processes do not end together. Seconds. */
const LIFETIME = 1_800

const ignore = () => {}

/** What statements run on: the pool as a whole (each on its own), or one session of it. */
export interface Queryable {
  /** Runs a prepared statement; resolves to the number of rows. */
  rows(statement: Statement, values: readonly Param[], onRow?: (row: Row) => void): Promise<number>
}

/** Decides whether a connection may be used: see guard.ts. */
export interface Admission {
  /** Rises when connections from before must not be used any more. */
  readonly generation: number
  /** Throws Unavailable if not; resolves to the generation that the connection is of. */
  admit(session: Session): Promise<number>
  /** Hears when what is under way on older connections must end. */
  onChange(listener: () => void): void
}

/** This server is not the primary, or not yet. */
export class NotPrimary extends Unavailable {}

const command = (text: string): Statement => ({ name: text.replaceAll(' ', '_'), text })

/** One connection, for a transaction. */
export class Session implements Queryable {
  readonly #client: pg.PoolClient
  #open = false
  /** When the statement under way was sent, in milliseconds of the process; undefined between statements. */
  #since: number | undefined
  readonly #patience: number
  readonly generation: number

  constructor(client: pg.PoolClient, generation = 0, patience = REPLY_TIMEOUT) {
    this.#client = client
    this.generation = generation
    this.#patience = patience
  }

  async rows(statement: Statement, values: readonly Param[], onRow: (row: Row) => void = ignore): Promise<number> {
    const query = this.#submit(statement, values, onRow)
    this.#since = performance.now()
    try {
      return await query.done
    } finally {
      this.#since = undefined
    }
  }

  async begin(mode = ''): Promise<void> {
    await this.rows(command(`begin ${mode}`.trimEnd()), [])
    this.#open = true
  }

  async commit(): Promise<void> {
    // Whatever comes of it, there is no transaction to roll back any more.
    this.#open = false
    const query = this.#submit(command('commit'), [], ignore)
    await query.done
    if (query.tag !== 'COMMIT') throw new Error('the transaction had failed and was rolled back')
  }

  async rollback(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.rows(command('rollback'), [])
  }

  /** Several statements without parameters, for migrations. */
  async script(sql: string): Promise<void> {
    await this.#client.query(sql)
  }

  /** Gives the connection up when its statement was sent long ago and nothing came back. */
  breakIfDead(): void {
    if (this.#since !== undefined && this.#since < performance.now() - this.#patience) this.break('timeout: the database does not answer')
  }

  break(why: string): void {
    const { connection } = this.#client as unknown as { connection: { stream: Duplex } }
    connection.stream.destroy(new Error(why))
  }

  #submit(statement: Statement, values: readonly Param[], onRow: (row: Row) => void): BinaryQuery {
    const query = new BinaryQuery(statement, values, onRow)
    // pg takes any object with `submit`; its types ask for an event emitter that it does not use
    this.#client.query(query as unknown as pg.Submittable)
    return query
  }
}

/** pg's Client on a connection that can hand out binary rows. */
class BinaryClient extends pg.Client {
  constructor(config: pg.ClientConfig) {
    super(config)
    // pg has worked out where to and with which TLS; its own connection was not used yet.
    const inner = this as unknown as { connection: object }
    const { stream, ssl, sslNegotiation } = inner.connection as Pick<ConnectionConfig, 'stream' | 'ssl' | 'sslNegotiation'>
    const { keepAlive, keepAliveInitialDelayMillis } = config
    inner.connection = new BinaryConnection({ stream, ssl, sslNegotiation, keepAlive, keepAliveInitialDelayMillis })
  }
}

/** How much of a pool is in use. */
export interface PoolState {
  readonly used: number
  readonly limit: number
  /** For a connection. */
  readonly waiting: number
}

export interface PoolOptions {
  readonly connect: Connect
  readonly max: number
  readonly log: Log
  /** Absent: any primary will do. */
  readonly admission?: Admission
  /** Run first on every connection. */
  readonly opened?: (session: Session) => Promise<void>
  /** When the last connection ends another one is made at once. */
  readonly keepsOne?: boolean
}

const IN_RECOVERY: Statement = { name: 'in_recovery', text: 'select pg_is_in_recovery()' }
const ANY_PRIMARY: Admission = {
  generation: 0,
  onChange: ignore,
  async admit(session) {
    let replica = false
    await session.rows(IN_RECOVERY, [], (row) => {
      replica = row.int() === 1
    })
    if (replica) throw new NotPrimary(REPLICA)
    return 0
  },
}
export const REPLICA = 'this Postgres is a replica: mail is read and written on the primary only'

export class Pool implements Queryable {
  readonly #pool: pg.Pool
  readonly #hosts: Hosts | undefined
  readonly #gate = new Gate()
  readonly #admission: Admission
  readonly #admitted = new WeakMap<pg.PoolClient, number>()
  readonly #sessions = new Set<Session>()
  readonly #watch: NodeJS.Timeout
  readonly #opened: (session: Session) => Promise<void>
  /** All connections were lost, and there is none again yet. */
  #isEmpty = false
  readonly #regained = new Set<() => void>()

  constructor({ connect, max, log, admission = ANY_PRIMARY, opened = async () => {}, keepsOne = false }: PoolOptions) {
    const hosts = 'url' in connect ? new Hosts(urlsOf(connect.url)) : undefined
    this.#hosts = hosts
    this.#admission = admission
    this.#opened = opened
    this.#pool = new pg.Pool({
      ...('url' in connect ? {} : connect),
      Client: class extends BinaryClient {
        constructor(config: pg.ClientConfig) {
          super(
            hosts
              ? { ...config, connectionString: hosts.current, connectionTimeoutMillis: hosts.count > 1 ? HOST_TIMEOUT : CONNECT_TIMEOUT }
              : config,
          )
        }
      },
      max,
      application_name: 'postern',
      connectionTimeoutMillis: CONNECT_TIMEOUT,
      idleTimeoutMillis: 60_000,
      maxLifetimeSeconds: Math.round(LIFETIME * (1 + Math.random() / 2)),
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      statement_timeout: STATEMENT_TIMEOUT,
      lock_timeout: LOCK_TIMEOUT,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT,
    } as object)
    this.#pool.on('error', (err) => {
      counts.database.lost++
      log.warn({ err: err.message }, 'a database connection was lost')
    })
    // pg-pool listens only while a connection is idle. One that is lost in use fails its statement, which is enough; unheard, the event would end the process.
    this.#pool.on('connect', (client) => client.on('error', ignore))
    if (keepsOne) this.#pool.on('remove', () => this.#keepOne())
    this.#watch = setInterval(() => {
      for (const session of this.#sessions) session.breakIfDead()
    }, REPLY_LOOK).unref()
    admission.onChange(() => {
      for (const session of this.#sessions)
        if (session.generation < admission.generation) session.break('Connection terminated: another incarnation of the database began')
    })
  }

  async rows(statement: Statement, values: readonly Param[], onRow: (row: Row) => void = ignore): Promise<number> {
    try {
      return await this.session((session) => session.rows(statement, values, onRow))
    } catch (err) {
      throw translated(err)
    }
  }

  /** A connection for the time of `use`. One that was lost, or is left in a transaction that cannot be rolled back, is not used again. */
  async session<T>(use: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#connect()
    const session = new Session(client, this.#admitted.get(client))
    this.#sessions.add(session)
    try {
      const result = await use(session)
      await session.rollback()
      client.release()
      return result
    } catch (err) {
      const lost = isLost(err) && !(err instanceof Unavailable)
      if (lost) counts.database.lost++
      const broken =
        lost ||
        isLost(err) ||
        (await session.rollback().then(
          () => false,
          () => true,
        ))
      client.release(broken)
      throw err
    } finally {
      this.#sessions.delete(session)
    }
  }

  /** A connection that may be used. Unavailable when there is none within CONNECT_TIMEOUT. */
  async #connect(): Promise<pg.PoolClient> {
    if (this.#waiting >= MAX_WAITING) {
      counts.database.busy++
      throw new Unavailable('too many wait for the database')
    }
    for (;;) {
      const client = await (this.#pool.idleCount > 0 ? this.#open() : this.#gate.pass(() => this.#open(), mayPass, CONNECT_TIMEOUT)).catch(
        (err: unknown) => {
          throw isLost(err) && !(err instanceof Unavailable)
            ? new Unavailable(`the database cannot be reached: ${wordsOf(err)}`, { cause: err })
            : err
        },
      )
      if (this.#admitted.get(client) === this.#admission.generation) return client
      client.release(true)
    }
  }

  /** One attempt. */
  async #open(): Promise<pg.PoolClient> {
    if (this.#pool.ending) throw new Unavailable('the connections to the database are closed')
    const url = this.#hosts?.current
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (err) {
      const busy = this.#pool.totalCount >= this.#pool.options.max
      counts.database[busy ? 'busy' : 'connect']++
      if (busy) throw new Unavailable('all connections to the database are in use', { cause: err })
      if (url !== undefined) this.#hosts?.failed(url)
      throw err
    }
    if (this.#admitted.has(client)) return client
    const session = new Session(client, Number.POSITIVE_INFINITY, ADMIT_TIMEOUT)
    this.#sessions.add(session)
    try {
      await this.#opened(session)
      this.#admitted.set(client, await this.#admission.admit(session))
      this.#wasRegained()
      return client
    } catch (err) {
      counts.database.connect++
      client.release(true)
      if (url !== undefined && (err instanceof NotPrimary || isLost(err))) this.#hosts?.failed(url)
      throw err
    } finally {
      this.#sessions.delete(session)
    }
  }

  get #waiting(): number {
    return this.#pool.waitingCount + this.#gate.waiting
  }

  get state(): PoolState {
    return { used: this.#pool.totalCount - this.#pool.idleCount, limit: this.#pool.options.max, waiting: this.#waiting }
  }

  #keepOne(): void {
    if (this.#pool.totalCount > 0 || this.#pool.ending || this.#isEmpty) return
    this.#isEmpty = true
    void this.#regain()
  }

  /** One that is cut again before it may be used is none. */
  async #regain(): Promise<void> {
    while (this.#isEmpty && !this.#pool.ending) {
      await this.session(async () => {}).catch(ignore)
      if (this.#isEmpty) await sleep(REGAIN_MS, undefined, { ref: false })
    }
  }

  #wasRegained(): void {
    if (!this.#isEmpty) return
    this.#isEmpty = false
    for (const listener of this.#regained) listener()
  }

  /** Called when there is a connection again after all were lost. Of one that keeps one. */
  onRegained(listener: () => void): void {
    this.#regained.add(listener)
  }

  /** `use` reads in one snapshot. */
  async snapshot<T>(use: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.session(async (session) => {
        await session.begin('isolation level repeatable read read only')
        const result = await use(session)
        await session.commit()
        return result
      })
    } catch (err) {
      throw translated(err)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#watch)
    await this.#pool.end()
  }
}

/** Passes by itself while a database starts, fails over or is promoted. */
const mayPass = (err: unknown): boolean => err instanceof NotPrimary || (isLost(err) && !(err instanceof Unavailable)) || codeOf(err) === '53300'
