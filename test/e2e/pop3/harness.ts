/** A POP3 service on the real store, behind its real listener with TLS, and a raw client for it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { createAuthenticator } from '../../../src/auth/login.ts'
import { hashPassword } from '../../../src/auth/password.ts'
import { formatVerifier, makeVerifier, newSalting } from '../../../src/auth/scram.ts'
import { silentLog } from '../../../src/log.ts'
import { canonical } from '../../../src/mail/address.ts'
import { LineReader } from '../../../src/net/lines.ts'
import { type Listener, type ListenOptions, listen } from '../../../src/net/listener.ts'
import { makeSelfSigned } from '../../../src/net/self-signed.ts'
import { createTls } from '../../../src/net/tls.ts'
import { type Pop3Deps, pop3Service } from '../../../src/pop3/server.ts'
import type { AccountAccess } from '../../../src/store/access.ts'
import type { Lease, Leases } from '../../../src/store/lease.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { openStore } from '../../../src/store/pg/index.ts'
import type { AfterDownload, Pop3Settings } from '../../../src/store/pop3-policy.ts'
import { networkOf } from '../../../src/store/remote.ts'
import { testDatabase } from '../../support/postgres.ts'

export const PASSWORD = 'correct horse'
export const DOMAIN = 'example.test'

export type House = Awaited<ReturnType<typeof pop3House>>
export type ServeOptions = Partial<Pick<Pop3Deps, 'limits' | 'log' | 'store' | 'leases'>> & {
  /** The port that begins without TLS. */
  readonly plain?: boolean
  readonly accept?: Partial<Pick<ListenOptions, 'proxyFrom' | 'handshakeMs' | 'limits' | 'onRefused'>>
}

/** Users in example.test with their policies, all with PASSWORD. */
export async function pop3House(users: Readonly<Record<string, AfterDownload | Pop3Settings>>) {
  const log = silentLog()
  const database = await testDatabase()
  const drivers = createMemoryDrivers(log)
  const { store, accounts, leases, close } = await openStore({ connect: database.connect, drivers, log })
  const passwordHash = await hashPassword(PASSWORD)
  const scram = formatVerifier((await makeVerifier(PASSWORD, { ...newSalting(), iterations: 4096 }))!)
  const accountsWanted = (hash: string) =>
    Object.entries(users).map(([user, pop3]) => ({
      ...{ address: `${user}@${DOMAIN}`, aliases: [], passwordHash: hash, scram },
      pop3: typeof pop3 === 'string' ? { afterDownload: pop3 } : pop3,
    }))
  await accounts.reconcile({ domains: [DOMAIN], accounts: accountsWanted(passwordHash) })
  const authenticator = createAuthenticator({ accounts, throttle: drivers.throttle, canonical, log })
  const { cert, key } = makeSelfSigned({ hostname: 'localhost', now: Date.now() })
  const dir = mkdtempSync(join(tmpdir(), 'postern-pop3-'))
  const ca = join(dir, 'ca.pem')
  writeFileSync(ca, cert)
  const tls = createTls({ cert, key, expires: 0, names: '' }).service('pop3s')
  const listeners: Listener[] = []

  const access = async (user: string): Promise<AccountAccess> => {
    const login = await accounts.login(`${user}@${DOMAIN}`)
    assert.ok(login)
    return accounts.grant(login)
  }
  // Remembers what it gave, so that a test can take it away again.
  const held = new Map<number, Lease>()
  const watched: Leases = {
    ...leases,
    async acquire(mailbox) {
      const lease = await leases.acquire(mailbox)
      held.set(mailbox.account, lease)
      return lease
    },
  }
  const inbox = async (user: string) => store.open(await access(user), 'INBOX', true)

  return {
    store,
    accounts,
    leases,
    drivers,
    ca,
    cert,
    access,
    inbox,
    heldLease: async ({ account }: AccountAccess): Promise<Lease> => held.get(account) ?? assert.fail('nobody has it'),
    changePassword: async (to: string) => accounts.reconcile({ domains: [DOMAIN], accounts: accountsWanted(await hashPassword(to)) }),
    async serve({ plain = false, accept, ...options }: ServeOptions = {}): Promise<Listener> {
      const service = plain ? 'pop3' : 'pop3s'
      const deps = {
        store,
        leases: watched,
        authenticator,
        presence: drivers.presence,
        throttle: drivers.throttle,
        accounts,
        log,
        hostname: 'mail.example.test',
        service,
      } as const
      const listener = await listen({
        host: '127.0.0.1',
        port: 0,
        mode: plain ? 'starttls' : 'implicit',
        tls,
        alpn: ['pop3'],
        networkOf,
        serve: pop3Service({ ...deps, ...options }),
        log,
        ...accept,
      })
      listeners.push(listener)
      return listener
    },
    /** Puts messages into INBOX as APPEND would: any octets. */
    async append(user: string, messages: readonly (string | Buffer)[]): Promise<void> {
      const a = await access(user)
      const staged = []
      for (const message of messages) {
        const stage = store.stage(a, 1 << 26)
        const octets = typeof message === 'string' ? Buffer.from(message, 'latin1') : message
        for (let at = 0; at < octets.length; at += 65_536) await stage.write(octets.subarray(at, at + 65_536))
        staged.push({ content: await stage.finish(), flags: [], internalDate: Date.now() })
      }
      await store.append(await inbox(user), staged)
    },
    /** How many messages IMAP would see. */
    count: async (user: string) => (await store.status(await inbox(user))).exists,
    async close() {
      for (const listener of listeners) await listener.drain(0)
      authenticator.close()
      await close()
      await drivers.close()
      await database.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Says what it is told, octet for octet. */
export class Client {
  readonly socket: Socket
  readonly lines: LineReader

  private constructor(socket: Socket) {
    this.socket = socket
    this.lines = new LineReader(socket)
  }

  /** Connected, with the greeting read. */
  static async connect(house: House, { port }: Listener): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: house.cert })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    const client = new Client(socket)
    assert.match((await client.line()) ?? '', /^\+OK mail\.example\.test /)
    return client
  }

  /** Connected in the clear; `first` is sent before the greeting is read. */
  static async plain({ port }: Listener, first = ''): Promise<Client> {
    const socket = connectTcp({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    if (first) socket.write(first)
    const client = new Client(socket)
    assert.match((await client.line()) ?? '', /^\+OK mail\.example\.test /)
    return client
  }

  /** What it becomes by a handshake; STLS was answered. */
  async secured(house: House): Promise<Client> {
    this.lines.detach()
    const socket = connect({ socket: this.socket, servername: 'localhost', ca: house.cert })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    return new Client(socket)
  }

  /** Logged in. */
  static async login(house: House, listener: Listener, user: string): Promise<Client> {
    const client = await Client.connect(house, listener)
    await client.ok(`USER ${user}@${DOMAIN}`)
    await client.ok(`PASS ${PASSWORD}`)
    return client
  }

  /** Logged in as soon as the session before, which was dropped, has let go: the server learns of that a moment later. */
  static async loginWhenFree(house: House, listener: Listener, user: string): Promise<Client> {
    for (;;) {
      const client = await Client.connect(house, listener)
      await client.ok(`USER ${user}@${DOMAIN}`)
      const reply = await client.command(`PASS ${PASSWORD}`)
      if (reply.startsWith('+OK')) return client
      assert.match(reply, /^-ERR \[IN-USE\] /)
      client.drop()
      await sleep(5)
    }
  }

  say(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  /** The next line; undefined at the end of the connection. */
  async line(): Promise<string | undefined> {
    return (await this.lines.readLine(1 << 20, { idleMs: 20_000 }))?.toString('latin1')
  }

  /** Sends a line, gives the first line of the reply. */
  async command(line: string): Promise<string> {
    this.say(`${line}\r\n`)
    return (await this.line()) ?? '<closed>'
  }

  /** The text after +OK. */
  async ok(line: string): Promise<string> {
    const reply = await this.command(line)
    assert.ok(reply.startsWith('+OK '), `${line}: ${reply}`)
    return reply.slice(4)
  }

  async err(line: string, reply: RegExp = /^-ERR /): Promise<void> {
    assert.match(await this.command(line), reply, line)
  }

  /** The lines of a multi-line reply that has begun, as the client reads them. */
  async rest(): Promise<string[]> {
    const lines: string[] = []
    for (;;) {
      const line = await this.line()
      assert.ok(line !== undefined, `the connection ended after ${lines.length} lines`)
      if (line === '.') return lines
      lines.push(line.startsWith('.') ? line.slice(1) : line)
    }
  }

  async list(line: string): Promise<string[]> {
    await this.ok(line)
    return this.rest()
  }

  async message(line: string): Promise<Buffer> {
    const lines = await this.list(line)
    return Buffer.from(lines.map((text) => `${text}\r\n`).join(''), 'latin1')
  }

  /** undefined: the server closed the connection, and said nothing before. */
  async closed(): Promise<void> {
    assert.equal(await this.line(), undefined)
  }

  drop(): void {
    this.socket.destroy()
  }
}

/** `+OK` to QUIT, and the end. */
export async function quit(client: Client): Promise<string> {
  const text = await client.ok('QUIT')
  await client.closed()
  return text
}
