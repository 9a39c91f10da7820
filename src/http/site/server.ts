/** HTTPS for the public: one request to a connection, of a bounded size and time, answered by `respond`. No cookies, no files, nothing that is kept. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Log } from '../../log.ts'
import type { Connection, Serve } from '../../net/connection.ts'
import { plainName } from '../../net/handshake.ts'
import { type Answer, MAX_BODY, plain, type Question, type Respond } from './exchange.ts'

export interface SiteServerDeps {
  readonly respond: Respond
  readonly log: Log
  readonly limits?: Partial<SiteLimits>
}

export interface SiteLimits {
  /** Milliseconds until the whole request is there. */
  readonly requestMs: number
  /** And until it is answered: wrong passwords wait for their answer. */
  readonly answerMs: number
}

export const SITE_LIMITS: SiteLimits = { requestMs: 10_000, answerMs: 60_000 }

const MAX_HEADER_OCTETS = 8_192
const MAX_HEADERS = 64
const MAX_URL = 2_048
/** Octets of a name of the DNS. */
const MAX_HOST = 255

/** Whatever is answered is for who asked, runs nothing, and shows itself in nobody's frame. */
const ALWAYS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  Connection: 'close',
} as const

/** One connection, and whether its request has begun to come. */
interface Visit {
  readonly connection: Connection
  asked: boolean
}

export function siteServer({ respond, log, limits: some }: SiteServerDeps): Serve {
  const limits = { ...SITE_LIMITS, ...some }
  const visits = new WeakMap<object, Visit>()
  const server = createServer({ maxHeaderSize: MAX_HEADER_OCTETS, keepAlive: false }, (request, response) => {
    const visit = visits.get(request.socket)
    if (!visit) return void request.socket.destroy()
    visit.asked = true
    void answer(request, response, { ...visit, respond, log, limits })
  })
  server.maxHeadersCount = MAX_HEADERS
  server.maxRequestsPerSocket = 1
  server.on('clientError', (err: NodeJS.ErrnoException, socket) => {
    const status = err.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    // What still comes of a request that was refused errs again: the answer is not to be lost by that.
    else if (!socket.writableEnded) socket.destroy()
  })
  return (connection, stop) => serve(server, { connection, asked: false }, { stop, limits, visits })
}

interface Serving {
  readonly stop: AbortSignal
  readonly limits: SiteLimits
  readonly visits: WeakMap<object, Visit>
}

/** Resolves when the connection is over. Who has asked nothing yet when the server stops is sent away. */
async function serve(server: Server, visit: Visit, { stop, limits, visits }: Serving): Promise<void> {
  const { socket } = visit.connection
  const closed = Promise.withResolvers<void>()
  const end = (): void => void socket.destroy()
  const endUnlessAsked = (): void => void (visit.asked || end())
  const timers = [setTimeout(endUnlessAsked, limits.requestMs), setTimeout(end, limits.requestMs + limits.answerMs)]
  socket.once('close', closed.resolve)
  stop.addEventListener('abort', endUnlessAsked)
  if (stop.aborted) end()
  visits.set(socket, visit)
  // A socket that was accepted elsewhere is served as if this server had: it listens nowhere itself.
  server.emit('connection', socket)
  await closed.promise
  for (const timer of timers) clearTimeout(timer)
  stop.removeEventListener('abort', endUnlessAsked)
}

interface Answering extends Visit {
  readonly respond: Respond
  readonly log: Log
  readonly limits: SiteLimits
}

/** Never rejects. */
async function answer(request: IncomingMessage, response: ServerResponse, { connection, respond, log, limits }: Answering): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const { remote } = connection
  const who = { remote, method: request.method, host: request.headers.host, path: pathOf(request) }
  try {
    const question = await questionOf(request, { remote, signal: gone.signal, limits })
    const answered = 'status' in question ? question : await respond(question)
    write(response, answered)
    log.debug({ ...who, status: answered.status }, 'asked')
  } catch (err) {
    if (gone.signal.aborted || connection.socket.destroyed) return
    log.error({ ...who, err }, 'a request failed')
    write(response, plain(500, 'Something went wrong on the server.'))
  }
}

const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?', 1)[0]!.slice(0, MAX_URL)

interface Asking {
  readonly remote: string
  readonly signal: AbortSignal
  readonly limits: SiteLimits
}

/** What is asked, or the answer to what cannot be. */
async function questionOf(request: IncomingMessage, { remote, signal, limits }: Asking): Promise<Question | Answer> {
  const { method = '', url = '', headers } = request
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST')
    return { ...plain(405, 'Only GET and POST.'), headers: { Allow: 'GET, HEAD, POST' } }
  if (!url.startsWith('/')) return plain(400, 'A path is missing.')
  if (url.length > MAX_URL) return plain(414, 'The address is too long.')
  const isPost = method === 'POST'
  if (!isPost && (headers['content-length'] ?? '0') !== '0') return plain(400, 'No body is taken.')
  if (Number(headers['content-length'] ?? 0) > MAX_BODY) return plain(413, 'That is too much.')
  const body = await bodyOf(request, limits.requestMs)
  if (!body) return plain(413, 'That is too much.')
  const query = new URLSearchParams(url.slice(pathOf(request).length))
  return { method: isPost ? 'POST' : 'GET', host: hostOf(headers.host), path: pathOf(request), query, body, remote, signal }
}

/** Rejects when it does not come in time or the client leaves; undefined: it is larger than MAX_BODY. */
async function bodyOf(request: IncomingMessage, ms: number): Promise<Buffer | undefined> {
  const timer = setTimeout(() => request.destroy(new Error('the body did not come in time')), ms)
  try {
    const chunks: Buffer[] = []
    let octets = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      octets += chunk.length
      if (octets > MAX_BODY) return undefined
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(timer)
  }
}

function hostOf(header = ''): string {
  const bare = header.replace(/:\d{1,5}$/, '')
  return bare.length <= MAX_HOST ? plainName(bare) : ''
}

function write(response: ServerResponse, { status, type, body, headers }: Answer): void {
  response.writeHead(status, { ...ALWAYS, ...headers, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}
