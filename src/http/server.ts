/** A very small HTTP server for those who watch over this one: a few fixed paths, answers of a few lines, nothing of the request in them. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenerLog } from '../net/listener.ts'

export interface Answer {
  readonly status: 200 | 503
  /** Of the form that the text has; absent: none. */
  readonly version?: string
  /** Lines, each with its end. */
  readonly text: string
}

/** Path → what to answer now. */
export type Routes = Readonly<Record<string, () => Answer>>

export interface HttpServer {
  readonly host: string
  readonly port: number
  close(): void
}

const MAX_CONNECTIONS = 64
const MAX_HEADER_OCTETS = 4_096
const MAX_HEADERS = 50
/** For the whole of a request; a connection is for one. */
const REQUEST_MS = 5_000

/** Port 0: any free one. Rejects when the address cannot be listened on. */
export async function openHttp({
  host,
  port,
  routes,
  log,
}: {
  readonly host: string
  readonly port: number
  readonly routes: Routes
  readonly log: ListenerLog
}): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_OCTETS,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: 1_000,
      keepAlive: false,
      requireHostHeader: false,
    },
    (request, response) => respond(request, response, routes),
  )
  server.maxConnections = MAX_CONNECTIONS
  server.maxHeadersCount = MAX_HEADERS
  server.maxRequestsPerSocket = 1
  // Who neither asks nor reads is sent away.
  server.setTimeout(REQUEST_MS)
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    else if (!socket.writableEnded) socket.destroy()
  })
  server.listen({ host, port })
  await once(server, 'listening')
  server.on('error', (err) => log.error({ err }, 'accepting a connection failed'))
  return {
    host,
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function respond(request: IncomingMessage, response: ServerResponse, routes: Routes): void {
  response.shouldKeepAlive = false
  const say = (status: number, text: string, version?: string): void => {
    response.writeHead(status, {
      'Content-Type': `text/plain;${version === undefined ? '' : ` version=${version};`} charset=utf-8`,
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
    })
    response.end(text)
  }
  const { method, url = '', headers } = request
  const answer = Object.hasOwn(routes, url) ? routes[url]!() : undefined
  if (method !== 'GET') say(405, 'only GET\n')
  else if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) say(400, 'no body\n')
  else if (answer) say(answer.status, answer.text, answer.version)
  else say(404, 'no such path\n')
}
