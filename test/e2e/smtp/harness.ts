/** An SMTP service on a free port of loopback with whatever store a test gives it, and a client that speaks octet by octet. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { Authenticator } from '../../../src/auth/login.ts'
import { silentLog } from '../../../src/log.ts'
import { parseStructure } from '../../../src/mail/structure.ts'
import type { Serve } from '../../../src/net/connection.ts'
import { type Listener, listen } from '../../../src/net/listener.ts'
import { createTls, type KeyPair, selfSigned } from '../../../src/net/tls.ts'
import { type MxDeps, mxService, type SmtpDeps, type SubmissionDeps, submissionService } from '../../../src/smtp/server.ts'
import { grantAccount } from '../../../src/store/access.ts'
import type { Recipient } from '../../../src/store/accounts.ts'
import type { Delivered, Delivery, StagedContent, StagedText } from '../../../src/store/mailstore.ts'
import { DEFAULT_POP3 } from '../../../src/store/pop3-policy.ts'
import type { Presence } from '../../../src/store/presence.ts'
import { DEFAULT_SUBMISSION } from '../../../src/store/submission-policy.ts'
import type { Throttle } from '../../../src/store/throttle.ts'
import type { AccountId, ContentId, MailboxId } from '../../../src/store/types.ts'

const dir = mkdtempSync(join(tmpdir(), 'postern-smtp-'))
export const pair: KeyPair = selfSigned(dir, 'localhost')
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

/** Keeps what is delivered in memory: for tests of the wire and of policies, where no database has a part. */
export class RecordingStore {
  readonly messages: { readonly text: Buffer; readonly to: readonly AccountId[]; readonly mailboxes: readonly MailboxId[] }[] = []
  discarded = 0
  readonly #staged = new WeakMap<StagedContent, Buffer>()
  /** Thrown by `deliver`. */
  failure: Error | undefined
  /** Milliseconds that each write takes. */
  slowness = 0
  #ids = 0n

  stage(account: { readonly account: AccountId }) {
    const chunks: Buffer[] = []
    return {
      write: async (chunk: Uint8Array): Promise<void> => {
        chunks.push(Buffer.from(chunk))
        if (this.slowness > 0) await new Promise((resolve) => setTimeout(resolve, this.slowness))
      },
      finish: async (top: Uint8Array = Buffer.alloc(0)): Promise<StagedContent> => {
        const text = Buffer.concat([top, ...chunks])
        const staged = { account: account.account, id: ++this.#ids as ContentId, size: text.length, sha256: '', header: Buffer.alloc(0) }
        this.#staged.set(staged, text)
        return staged
      },
      discard: (): void => {
        this.discarded++
      },
    }
  }

  textOf(content: StagedContent): Buffer {
    return this.#staged.get(content)!
  }

  staged(content: StagedContent): StagedText {
    const text = this.textOf(content)
    return {
      parts: parseStructure(text).parts,
      async *read(from, to) {
        yield text.subarray(from, to)
      },
    }
  }

  async deliver(content: StagedContent, _date: number, to: readonly Delivery[]): Promise<Delivered> {
    if (this.failure) throw this.failure
    this.messages.push({ text: this.#staged.get(content)!, to: to.map((d) => d.to.account), mailboxes: to.map((d) => d.mailbox) })
    return { again: 0, confirm() {} }
  }

  /** The last message without the lines that were put on top of it. */
  body(at = -1): Buffer {
    const { text } = this.messages.at(at)!
    return withoutTrace(text)
  }
}

/** Takes off Return-Path and the first Received with its continuation lines. */
export function withoutTrace(text: Buffer): Buffer {
  const match = /^Return-Path: [^\r\n]*\r\nReceived: [^\r\n]*\r\n(?:\t[^\r\n]*\r\n)*/.exec(text.toString('latin1'))
  if (!match) throw new Error(`no trace lines on top of ${text.toString('latin1', 0, 200)}`)
  return text.subarray(match[0].length)
}

export interface Person {
  readonly address: string
  readonly aliases?: readonly string[]
  readonly used?: number
  readonly quota?: number
}

const BARE = { submission: DEFAULT_SUBMISSION, scram: '', appPasswords: [], disable: [] }

/** Accounts of a list; the password of each is `secret`. */
export function people(list: readonly Person[], domains: readonly string[] = ['example.org']) {
  const all = list.map((person, i) => ({ ...person, account: (i + 1) as AccountId }))
  const find = (address: string) => all.find((p) => p.address === address || p.aliases?.includes(address))
  const accounts: SmtpDeps['accounts'] = {
    isLocal: async (domain) => domains.includes(domain),
    owns: async (account, address) => find(address)?.account === account,
    recipient: async (address): Promise<Recipient | undefined> => {
      const found = find(address)
      return found && { access: grantAccount(found.account, 'delivery'), inbox: 1 as MailboxId, used: found.used ?? 0, quota: found.quota }
    },
  }
  const authenticator: Authenticator = {
    scram: async () => ({ kind: 'unavailable' }),
    close: () => undefined,
    async login({ user, password }) {
      const found = all.find((p) => p.address === user)
      if (user === 'busy@example.org') return { kind: 'throttled', retryAfter: 7.2 }
      if (user === 'away@example.org') return { kind: 'unavailable' }
      if (!found || password !== 'secret') return { kind: 'invalid' }
      const login = { account: found.account, address: found.address, passwordHash: '', version: 1, enabled: true, pop3: DEFAULT_POP3, ...BARE }
      return { kind: 'ok', access: grantAccount(found.account, found.address), login }
    },
  }
  return { accounts, authenticator }
}

/** Buckets that never run dry, and what was taken from them. */
export function openThrottle() {
  const taken = new Map<string, number>()
  const throttle: Pick<Throttle, 'take'> = {
    async take(bucket, rate, n = 1) {
      const sum = (taken.get(bucket) ?? 0) + n
      if (sum > rate.burst) return { ok: false, retryAfter: 60 }
      taken.set(bucket, sum)
      return { ok: true, retryAfter: 0 }
    },
  }
  return { throttle, taken }
}

export const openPresence: Pick<Presence, 'enter'> = { enter: async () => () => {} }

const ANN: Person = { address: 'ann@example.org', aliases: ['info@example.org'] }
const BOB: Person = { address: 'bob@example.org' }

export interface Running {
  readonly port: number
  readonly store: RecordingStore
  readonly listener: Listener
  stop(): Promise<void>
}

export async function serveOn(serve: Serve, mode: 'implicit' | 'starttls' | 'both'): Promise<Listener> {
  const tls = createTls(pair).service('test')
  return listen({ host: '127.0.0.1', port: 0, mode, tls, detectMs: 1_000, networkOf: (remote) => remote, serve, log: silentLog() })
}

export async function startMx(deps: Partial<MxDeps> & { readonly persons?: readonly Person[] } = {}): Promise<Running> {
  const store = new RecordingStore()
  const { accounts } = people(deps.persons ?? [ANN, BOB])
  const { limits, ...rest } = deps
  const base: SmtpDeps = {
    store,
    accounts,
    throttle: openThrottle().throttle,
    tls: createTls(pair).service('mx'),
    log: silentLog(),
    hostname: 'mx.example.org',
    primaryDomain: 'example.org',
  }
  const listener = await serveOn(mxService({ ...base, ...rest, limits: { greetingDelayMs: 0, ...limits } }), 'starttls')
  return { port: listener.port, store, listener, stop: () => listener.drain(1_000) }
}

export async function startSubmission(
  deps: Partial<SubmissionDeps> & { readonly persons?: readonly Person[]; readonly mode?: 'implicit' | 'both' } = {},
): Promise<Running> {
  const store = new RecordingStore()
  const { accounts, authenticator } = people(deps.persons ?? [ANN, BOB])
  const base: SubmissionDeps = {
    store,
    accounts,
    authenticator,
    presence: openPresence,
    service: 'submission',
    throttle: openThrottle().throttle,
    tls: createTls(pair).service('submission'),
    log: silentLog(),
    hostname: 'mx.example.org',
    primaryDomain: 'example.org',
  }
  const { mode = 'implicit', ...rest } = deps
  const listener = await serveOn(submissionService({ ...base, ...rest }), mode)
  return { port: listener.port, store, listener, stop: () => listener.drain(1_000) }
}

/** Lines in, octets out. Every wait ends after 10 s. */
export class Client {
  #socket: Socket
  #received = ''
  #ended = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  static async connect(port: number): Promise<Client> {
    const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new Client(socket)
  }

  static async connectTls(port: number): Promise<Client> {
    const socket = connectTls({ port, host: '127.0.0.1', ca: pair.cert, servername: 'localhost' })
    await once(socket, 'secureConnect')
    return new Client(socket)
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      this.#wake?.()
    })
    const end = (): void => {
      this.#ended = true
      this.#wake?.()
    }
    this.#socket.on('error', end)
    this.#socket.on('end', end)
    this.#socket.on('close', end)
  }

  get socket(): Socket {
    return this.#socket
  }

  /** Everything that came and was not taken by `reply`. */
  get rest(): string {
    return this.#received
  }

  write(text: string | Buffer): boolean {
    return this.#socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  /** Waits for a whole reply, all its lines. `''` at the end of the connection. */
  async reply(ms = 10_000): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#received)
      if (match) {
        this.#received = this.#received.slice(match[0].length)
        return match[0].slice(0, -2)
      }
      if (this.#ended) return ''
      await this.#news(ms)
    }
  }

  async #news(ms: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error(`nothing came within ${ms} ms, so far: ${JSON.stringify(this.#received)}`)), ms)
    this.#wake = resolve
    await promise.finally(() => clearTimeout(timer))
  }

  /** A command and its reply. */
  async say(line: string, ms?: number): Promise<string> {
    this.write(`${line}\r\n`)
    return this.reply(ms)
  }

  /** Says lines one after the other; every reply must begin with the code beside it. */
  async expect(...steps: readonly (readonly [line: string, code: string])[]): Promise<void> {
    for (const [line, code] of steps) {
      const reply = await this.say(line)
      if (!reply.startsWith(code)) throw new Error(`${JSON.stringify(line)} was answered ${JSON.stringify(reply)}, not ${code}`)
    }
  }

  /** Resolves with all that is still said when the server has closed. */
  async end(ms = 10_000): Promise<string> {
    while (!this.#ended) await this.#news(ms)
    return this.#received
  }

  async startTls(): Promise<Client> {
    this.#socket.removeAllListeners('data')
    const socket = connectTls({ socket: this.#socket, ca: pair.cert, servername: 'localhost' })
    await once(socket, 'secureConnect')
    return new Client(socket)
  }

  close(): void {
    this.#socket.destroy()
  }
}

export const plain = (user: string, password = 'secret', authzid = ''): string => Buffer.from(`${authzid}\0${user}\0${password}`).toString('base64')
