/** One accepted connection, and what serves it. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

export interface Connection {
  readonly socket: Socket | TLSSocket
  /** The client's address as text, also where a load balancer passes its connection on; an IPv4 address is never written as `::ffff:…`. */
  readonly remote: string
  /** A load balancer's own: it looks whether we are well. Nothing that a log should tell. */
  readonly isProbe?: true
  /** TLS is up. */
  readonly secure: boolean
  /** The name that the client asked for (SNI), lower case, without a dot at its end. */
  readonly servername?: string
  /**
   * Does the handshake where TLS is not up: nothing that came in the clear may be unread, and nothing may be waiting to be sent. The listener closes the secured
   * socket in the end. Rejects when it fails or takes too long; the connection is destroyed then. Absent: there is no certificate, or TLS is up.
   */
  readonly startTls?: () => Promise<TLSSocket>
  /** The client has proved who it is: it no longer counts among the connections before login. Harmless twice. */
  admitted(): void
}

/**
 * Serves one connection until its end and resolves; what it throws ends the connection and is logged. When `stop` aborts it finishes the command
 * that runs, says so in its protocol's words, and resolves. The listener closes the socket.
 */
export type Serve = (connection: Connection, stop: AbortSignal) => Promise<void>

/** The client is gone, or the connection was closed under the session: nobody reads what would be written, nothing more comes in. */
export class Disconnected extends Error {
  constructor(message = 'the connection is closed', options?: ErrorOptions) {
    super(message, options)
    this.name = 'Disconnected'
  }
}
