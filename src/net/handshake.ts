/** TLS on a socket that was accepted already. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ServiceTls } from './tls.ts'

export const HANDSHAKE_MS = 15_000

export interface HandshakeOptions {
  readonly tls: Pick<ServiceTls, 'context'>
  /** Protocol names (RFC 7301): a client that names only others is refused, one that names none is not. */
  readonly alpn?: readonly string[] | undefined
  readonly timeoutMs?: number | undefined
}

/** The secured socket. Rejects when the handshake fails or takes too long; the socket is destroyed then. */
export async function handshake(socket: Socket, { tls, alpn, timeoutMs = HANDSHAKE_MS }: HandshakeOptions): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const secure = new TLSSocket(socket, { isServer: true, secureContext: tls.context(), ...(alpn ? { ALPNCallback: choice(alpn) } : {}) })
  secure.on('error', reject)
  secure.once('close', () => reject(new Error('closed within the TLS handshake')))
  // Half-open sockets stay when the other side is gone: it would count as a client until the time is over.
  const left = (): void => void secure.destroy(new Error('the client left within the TLS handshake'))
  secure.once('end', left)
  const done = (): void => {
    secure.off('end', left)
    resolve(secure)
  }
  secure.once('secure', done)
  const timer = setTimeout(() => secure.destroy(new Error('the TLS handshake took too long')), timeoutMs)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

const choices = new WeakMap<readonly string[], (offer: { protocols: string[] }) => string | undefined>()

/** One function for all handshakes of a listener: a list would be packed anew for each, into memory that lives as long as the connection. */
function choice(alpn: readonly string[]): (offer: { protocols: string[] }) => string | undefined {
  let made = choices.get(alpn)
  if (!made) choices.set(alpn, (made = ({ protocols }) => alpn.find((name) => protocols.includes(name))))
  return made
}

/** A server name as it compares: lower case, no dot at its end. client: Microsoft's autodiscover service sends one. */
export function plainName(servername: string): string {
  const lower = servername.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}
