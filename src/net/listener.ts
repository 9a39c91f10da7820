/** Accepts connections, with TLS from the first octet or without, lets in what the limits allow, and has each one served. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { plainAddress } from './address.ts'
import { Admission, type AdmissionLimits, type AdmissionRefusal, DEFAULT_LIMITS, type Ticket } from './admission.ts'
import { Balancers } from './balancers.ts'
import { ACME_TLS, type Challenges } from './challenges.ts'
import type { Connection, Serve } from './connection.ts'
import { looksLikeTls, peekClientHello } from './detect.ts'
import { HIDDEN_CLIENTS } from './gateways.ts'
import { HANDSHAKE_MS, handshake, plainName } from './handshake.ts'
import type { ServiceTls } from './tls.ts'

/** What a listener says about its connections. */
export interface ListenerLog {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** How connections are taken, wherever they were accepted. */
export interface AcceptOptions {
  /** `implicit`: TLS from the first octet. `starttls`: plain, the protocol starts TLS itself. `both`: whichever the client begins with. */
  readonly mode: 'implicit' | 'starttls' | 'both'
  /** Needed but for `starttls`. */
  readonly tls?: ServiceTls
  readonly alpn?: readonly string[]
  /** Authorities that come by TLS to see who serves a name are answered: RFC 8737. */
  readonly challenges?: Challenges
  readonly handshakeMs?: number
  /** `both`: how long a client may wait before it is taken for one that waits for our greeting. */
  readonly detectMs?: number
  readonly limits?: Partial<AdmissionLimits>
  /**
   * Addresses and networks of load balancers. A connection from one begins with a PROXY header, within `proxyHeaderMs`, or is destroyed; the address that it
   * tells is the client's for everything that follows. From anybody else such a header is what any other wrong octets are.
   */
  readonly proxyFrom?: readonly string[]
  readonly proxyHeaderMs?: number
  /** What counts as one client under the limits: an address itself, or the /64 of an IPv6 address. */
  readonly networkOf: (remote: string) => string
  readonly serve: Serve
  /** May say why to a socket that is plain; it is closed after that in any case. */
  readonly onRefused?: (why: AdmissionRefusal, socket: Socket) => void
  readonly log: ListenerLog
}

export interface ListenOptions extends AcceptOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

/** Serves the connections that it is given. */
export interface Reception {
  readonly connections: number
  /** A socket that nobody has read from, half-open ones allowed. */
  accept(socket: Socket): void
  /** Asks all sessions to stop, and destroys what is left after `ms`. Resolves when none is left; what comes after is turned away. */
  drain(ms: number): Promise<void>
}

export interface Listener {
  readonly port: number
  readonly connections: number
  /** No new connections. */
  close(): void
  /** Also asks all sessions to stop, and destroys what is left after `ms`. Resolves when none is left. */
  drain(ms: number): Promise<void>
}

export const DETECT_MS = 300
/** After a session a client may still be sending: if the socket were closed on unread octets, our last words would be lost with it (RFC 9293 §3.10.4). */
const LINGER_MS = 2_000
const LINGER_OCTETS = 4 * 1024 * 1024
const KEEP_ALIVE_MS = 60_000

/** Rejects when the address cannot be listened on or the certificate cannot be used. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, port, log } = options
  const door = new Door(options)
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
    door.accept(socket),
  )
  server.listen({ host, port })
  await once(server, 'listening')
  // Out of descriptors: libuv accepts and closes what comes, without a spin; whatever else fails concerns one connection.
  server.on('error', (err) => log.error({ err }, 'accepting a connection failed'))
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return door.connections
    },
    close: () => void server.close(),
    async drain(ms) {
      server.close()
      await door.drain(ms)
    },
  }
}

/** For connections that another process has accepted. */
export const receive = (options: AcceptOptions): Reception => new Door(options)

/** The connections of one listener. */
class Door implements Reception {
  readonly #options: AcceptOptions
  readonly #admission: Admission
  readonly #balancers: Balancers
  readonly #shared: ReadonlySet<string>
  #hidden = 0
  /** Sockets as they were accepted, with the way to stop their sessions; undefined before there is one. */
  readonly #sockets = new Map<Socket, AbortController | undefined>()
  #draining = false
  #emptied: (() => void) | undefined

  constructor(options: AcceptOptions) {
    const { mode, tls, networkOf, proxyFrom = [], proxyHeaderMs, log } = options
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    if (mode !== 'starttls' && !tls) throw new Error(`mode ${mode} needs a certificate`)
    this.#options = options
    this.#admission = new Admission(limits, networkOf)
    this.#balancers = new Balancers({ from: proxyFrom, headerMs: proxyHeaderMs, log })
    this.#shared = new Set(limits.shared)
  }

  get connections(): number {
    return this.#sockets.size
  }

  accept(socket: Socket): void {
    const { log } = this.#options
    socket.on('error', (err) => log.debug({ err, remote: socket.remoteAddress }, 'socket error'))
    const remote = plainAddress(socket.remoteAddress)
    if (remote === undefined || this.#draining) {
      socket.destroy()
      return
    }
    this.#sockets.set(socket, undefined)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#emptied?.()
    })
    this.#receive(socket, remote).catch((err: unknown) => {
      log.debug({ err, remote }, 'connection failed')
      socket.destroy()
    })
  }

  async #receive(socket: Socket, peer: string): Promise<void> {
    if (!this.#balancers.has(peer)) return this.#admit(socket, peer, false)
    const client = await this.#balancers.clientOf(socket, peer)
    return this.#admit(socket, client ?? peer, client === undefined)
  }

  #admit(socket: Socket, remote: string, isProbe: boolean): Promise<void> | undefined {
    const { log, onRefused } = this.#options
    if (socket.destroyed) return undefined
    if (!isProbe) this.#lookForHidden(remote)
    const ticket = this.#admission.enter(remote, isProbe)
    if (typeof ticket === 'string') {
      log.debug({ remote, why: ticket }, 'connection refused')
      onRefused?.(ticket, socket)
      socket.destroySoon()
      return undefined
    }
    socket.once('close', () => ticket.leave())
    return this.#open(socket, { remote, ...(isProbe && { isProbe }) }, ticket)
  }

  /** Says once that addresses are hidden from us: nobody would notice otherwise. */
  #lookForHidden(remote: string): void {
    if (!this.#shared.has(remote) || ++this.#hidden !== HIDDEN_CLIENTS) return
    this.#options.log.error(
      { remote, connections: this.#hidden },
      "clients come from this host's own default gateway: something before us hides their addresses, and limits per address cannot tell them apart; " +
        'docs/operations.md says under "Real client addresses" what to do',
    )
  }

  async #open(socket: Socket, who: Pick<Connection, 'remote' | 'isProbe'>, { admitted }: Ticket): Promise<void> {
    const { mode, detectMs = DETECT_MS, tls, alpn, handshakeMs: wholeMs = HANDSHAKE_MS, challenges } = this.#options
    const plain = mode === 'starttls' || (mode === 'both' && !(await looksLikeTls(socket, detectMs)))
    const began = performance.now()
    if (!plain && challenges && (await isAuthority(socket, challenges, wholeMs))) return
    const timeoutMs = plain ? wholeMs : Math.max(1, wholeMs - (performance.now() - began))
    const shake = (tls: ServiceTls): Promise<TLSSocket> => handshake(socket, { tls, alpn, timeoutMs })
    if (plain || !tls) {
      let secured: TLSSocket | undefined
      const startTls = tls && (async () => (secured = await shake(tls)))
      return this.#serve(socket, { ...who, socket, secure: false, admitted, ...(startTls && { startTls }) }, () => secured)
    }
    const secure = await shake(tls)
    const servername = typeof secure.servername === 'string' ? { servername: plainName(secure.servername) } : {}
    return this.#serve(socket, { ...who, socket: secure, secure: true, admitted, ...servername })
  }

  /** `secured`: what became of the connection's socket meanwhile. */
  async #serve(accepted: Socket, connection: Connection, secured: () => TLSSocket | undefined = () => undefined): Promise<void> {
    const { serve, log } = this.#options
    const stop = new AbortController()
    if (this.#sockets.has(accepted)) this.#sockets.set(accepted, stop)
    try {
      await serve(connection, stop.signal)
    } catch (err) {
      log.error({ err, remote: connection.remote }, 'session failed')
    } finally {
      hangUp(secured() ?? connection.socket)
    }
  }

  async drain(ms: number): Promise<void> {
    this.#draining = true
    if (this.#sockets.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#emptied = resolve
    for (const [socket, session] of this.#sockets) {
      if (session) session.abort()
      else socket.destroy()
    }
    const timer = setTimeout(() => {
      for (const socket of this.#sockets.keys()) socket.destroy()
    }, ms)
    await promise
    clearTimeout(timer)
  }
}

/** Whether it was an authority that looks at a challenge under way: it has seen the proof then, and the connection is at its end. */
async function isAuthority(socket: Socket, challenges: Challenges, timeoutMs: number): Promise<boolean> {
  const { servername = '', alpn = [] } = (await peekClientHello(socket, timeoutMs)) ?? {}
  // RFC 8737 §3: that protocol and no other.
  if (alpn.length !== 1 || alpn[0] !== ACME_TLS) return false
  const shown = await challenges.find(plainName(servername))
  if (!shown) return false
  hangUp(await handshake(socket, { tls: { context: () => shown }, alpn: [ACME_TLS], timeoutMs }))
  return true
}

/** Ends our side, lets the client finish its own, and then closes. */
function hangUp(socket: Socket | TLSSocket): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.removeAllListeners('data')
  let octets = 0
  socket.on('data', (chunk: Buffer) => {
    octets += chunk.length
    if (octets > LINGER_OCTETS) socket.destroy()
  })
  socket.resume()
  socket.end()
}
