/** What others are told of the running server: endpoints.json for scripts, the table for people. */
import type { Config } from '../config/schema.ts'
import type { Log } from '../log.ts'
import { type Certificate, hostIn } from './certificate.ts'
import { type Endpoints, table, writeEndpoints } from './endpoints.ts'
import { KINDS } from './kinds.ts'
import { sends } from './outbound.ts'
import { type FirstPassword, firstPassword, keepFirstPassword } from './passwords.ts'
import type { Bound } from './ports.ts'

export interface NoticeOptions {
  readonly dataDir: string
  readonly configFile: string
  readonly databaseUrl: string
  readonly bound: readonly Bound[]
  readonly http: Endpoints['http'] | undefined
  /** Pids of the processes that serve beside this one. */
  readonly workers?: () => readonly number[]
  readonly say: (text: string) => void
  readonly log: Log
}

export class Notice {
  readonly #o: NoticeOptions
  #config: Config
  #certificate: Certificate
  #writing: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(o: NoticeOptions, config: Config, certificate: Certificate) {
    this.#o = o
    this.#config = config
    this.#certificate = certificate
  }

  /** Mailboxes or certificate are others now. */
  async changed(config: Config, certificate: Certificate): Promise<void> {
    this.#config = config
    this.#certificate = certificate
    await this.write()
  }

  /** endpoints.json, one writing after the other, each as things are by then. */
  write(): Promise<Endpoints> {
    return this.#inTurn(() => {})
  }

  /** Nothing is written from now on. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
  }

  /** The same for the first time, and tells the person who started it, and the log. */
  announce(): Promise<Endpoints> {
    return this.#inTurn((endpoints, first) => this.#say(endpoints, first))
  }

  #inTurn(also: (endpoints: Endpoints, first: FirstPassword | undefined) => void): Promise<Endpoints> {
    const written = this.#writing.then(async () => {
      const first = await firstPassword(this.#o.dataDir, this.#config.mailboxes)
      const endpoints = this.#endpoints(first)
      if (!this.#closed) writeEndpoints(this.#o.dataDir, endpoints)
      also(endpoints, first)
      return endpoints
    })
    this.#writing = written.catch(() => {})
    return written
  }

  #say(endpoints: Endpoints, first: FirstPassword | undefined): void {
    const { bound, configFile, dataDir, say, log } = this.#o
    const [config, certificate] = [this.#config, this.#certificate]
    const isNew = first !== undefined && !first.shown
    say(
      table({
        ...{ bound, configFile, dataDir, hostname: config.hostname, domains: config.domains },
        host: endpoints.host,
        user: first?.address ?? config.mailboxes[0]?.address,
        password: isNew ? first.password : undefined,
        selfSigned: certificate.selfSigned,
        acme: certificate.acme,
        sends: sends(config),
      }),
    )
    if (isNew) keepFirstPassword(dataDir, { ...first, shown: true })
    const ports = endpoints.listeners.map(({ service, port }) => `${service} ${port}`).join(', ')
    const workers = endpoints.workers?.length
    log.info({ ports, mailboxes: config.mailboxes.length, ...(workers !== undefined && { workers }) }, 'postern is ready')
  }

  #endpoints(first: FirstPassword | undefined): Endpoints {
    const { databaseUrl, bound, http, workers } = this.#o
    const { mailboxes, hostname } = this.#config
    return {
      host: hostIn(this.#certificate, hostname),
      ca: this.#certificate.ca,
      pid: process.pid,
      ...(workers && { workers: workers() }),
      ...(http && { http }),
      database: databaseUrl,
      listeners: bound.map(({ service, port }) => ({ service, port, tls: KINDS[service].tls })),
      mailboxes: mailboxes.map(({ address }) => ({ address, password: address === first?.address ? first.password : null })),
    }
  }
}
