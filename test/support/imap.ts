/** A service on the real store, for tests: plain TCP on loopback, a database of its own. IMAP, unless another one is asked for. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createAuthenticator } from '../../src/auth/login.ts'
import { hashPassword } from '../../src/auth/password.ts'
import { formatVerifier, makeVerifier, newSalting } from '../../src/auth/scram.ts'
import { type ImapDeps, imapService } from '../../src/imap/server.ts'
import { silentLog } from '../../src/log.ts'
import { canonical } from '../../src/mail/address.ts'
import type { Serve } from '../../src/net/connection.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { AppPassword, WantedPublic } from '../../src/store/accounts.ts'
import type { Bus } from '../../src/store/bus.ts'
import type { MailStore, NewMessage } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { openStore } from '../../src/store/pg/index.ts'
import type { Pop3Settings } from '../../src/store/pop3-policy.ts'
import type { SubmissionSettings } from '../../src/store/submission-policy.ts'
import { testDatabase } from './postgres.ts'

export const PASSWORD = 'correct horse'

export type ServeOptions = Partial<Pick<ImapDeps, 'limits' | 'disable' | 'request' | 'log'>> & {
  /** A process of its own on the same database, whose bus hears nothing of the others, and knows. */
  readonly apart?: boolean
  /** A process of its own, whose bus hears of mailboxes and loses all pokes of names and logins, and does not know. */
  readonly losesLists?: boolean
  /** The store with faults. */
  readonly faulty?: (store: MailStore) => MailStore
}

export interface ImapServer {
  readonly port: number
  /** Connections that are served. */
  readonly connections: number
  /** Asks all sessions to stop and waits until they have. */
  stop(): Promise<void>
}

export type ImapHouse = Awaited<ReturnType<typeof imapHouse>>

/** `users`: local parts in example.test, all with PASSWORD; `quota` in octets applies to all. */
export async function imapHouse(users: readonly string[], { quota, shared = [] }: { quota?: number; shared?: readonly WantedPublic[] } = {}) {
  const database = await testDatabase()
  const log = silentLog()
  const drivers = createMemoryDrivers(log)
  const { store, accounts, leases, close } = await openStore({ connect: database.connect, drivers, log })
  const passwordHash = await hashPassword(PASSWORD)
  const scram = formatVerifier((await makeVerifier(PASSWORD, { ...newSalting(), iterations: 4096 }))!)
  const quotas = new Map<string, number | undefined>(users.map((user) => [user, quota]))
  const pop3 = new Map<string, Pop3Settings>()
  const submission = new Map<string, SubmissionSettings>()
  const appPasswords = new Map<string, AppPassword[]>()
  const reconcile = () =>
    accounts.reconcile({
      domains: ['example.test'],
      accounts: users.map((user) => ({
        ...{ address: `${user}@example.test`, aliases: [], passwordHash, scram, quota: quotas.get(user) },
        ...{ pop3: pop3.get(user), submission: submission.get(user), appPasswords: appPasswords.get(user) ?? [] },
      })),
      public: shared,
    })
  await reconcile()
  const authenticator = createAuthenticator({ accounts, throttle: drivers.throttle, canonical, log })
  const servers = new Set<ImapServer>()

  const access = async (user: string): Promise<AccountAccess> => {
    const login = await accounts.login(`${user}@example.test`)
    if (!login) throw new Error(`there is no user ${user}`)
    return accounts.grant(login)
  }

  const others: { close(): Promise<void> }[] = []
  async function storeApart(bus: (alone: Bus) => Bus): Promise<MailStore> {
    const alone = createMemoryDrivers(log)
    const other = await openStore({ connect: database.connect, drivers: { ...alone, bus: bus(alone.bus) }, log })
    others.push(other, alone)
    return other.store
  }

  const deaf = (alone: Bus): Bus => ({ ...alone, silentFor: () => Number.POSITIVE_INFINITY })
  const withoutLists = (): Bus => ({
    ...drivers.bus,
    watch: (topic, heard) => (typeof topic.of === 'string' ? () => {} : drivers.bus.watch(topic, heard)),
  })

  async function serve({ apart = false, losesLists = false, faulty = (whole) => whole, ...options }: ServeOptions = {}): Promise<ImapServer> {
    return host(
      imapService({
        store: faulty(apart ? await storeApart(deaf) : losesLists ? await storeApart(withoutLists) : store),
        authenticator,
        presence: drivers.presence,
        log,
        hostname: 'mail.example.test',
        ...options,
      }),
    )
  }

  /** `startTls`: what is served begins without TLS. */
  async function host(service: Serve, startTls?: (socket: Socket) => Promise<TLSSocket>): Promise<ImapServer> {
    const stop = new AbortController()
    const running = new Set<Promise<void>>()
    const accept = async (socket: Socket): Promise<void> => {
      socket.on('error', () => undefined)
      try {
        const tls = startTls ? { secure: false, startTls: () => startTls(socket) } : { secure: true }
        await service({ socket, remote: '127.0.0.1', admitted: () => undefined, ...tls }, stop.signal)
      } finally {
        socket.destroySoon()
      }
    }
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const served = accept(socket)
      running.add(served)
      served.then(
        () => running.delete(served),
        () => undefined,
      )
    }).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const server: ImapServer = {
      port: (listener.address() as AddressInfo).port,
      get connections() {
        return running.size
      },
      async stop() {
        servers.delete(server)
        listener.close()
        stop.abort()
        await Promise.all(running)
      },
    }
    servers.add(server)
    return server
  }

  return {
    store,
    accounts,
    leases,
    authenticator,
    drivers,
    /** The way to its database. */
    connect: database.connect,
    access,
    serve,
    host,
    /** Changes what the user may store, as a new config file would. */
    async setQuota(user: string, octets: number): Promise<void> {
      quotas.set(user, octets)
      await reconcile()
    },
    /** The user's POP3 policy from now on. */
    async setPop3(user: string, settings: Pop3Settings): Promise<void> {
      pop3.set(user, settings)
      await reconcile()
    },
    /** What becomes of what the user sends, from now on. */
    async setSubmission(user: string, settings: SubmissionSettings): Promise<void> {
      submission.set(user, settings)
      await reconcile()
    },
    /** Gives the user an app password more. */
    async addAppPassword(user: string, one: AppPassword): Promise<void> {
      appPasswords.set(user, [...(appPasswords.get(user) ?? []), one])
      await reconcile()
    },
    /** Puts messages into a mailbox behind every session's back. */
    async append(
      user: string,
      mailbox: string,
      messages: readonly { readonly text: string | Buffer; readonly flags?: readonly string[]; readonly at?: number }[],
    ) {
      const a = await access(user)
      const to = await store.open(a, mailbox, true)
      const staged: NewMessage[] = []
      for (const { text, flags = [], at = Date.now() } of messages) {
        const stage = store.stage(a, 1 << 26)
        await stage.write(typeof text === 'string' ? Buffer.from(text) : text)
        staged.push({ content: await stage.finish(), flags, internalDate: at })
      }
      return await store.append(to, staged)
    },
    async close() {
      for (const server of servers) await server.stop()
      authenticator.close()
      for (const other of others) await other.close()
      await close()
      await drivers.close()
      await database.close()
    },
  }
}
