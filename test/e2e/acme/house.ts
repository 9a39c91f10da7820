/** A server whose certificate comes from Pebble. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import type { Pebble } from '../../support/pebble.ts'
import type { TestServer } from '../../support/server.ts'

export const HOST = 'mail.home.test'

export interface Setting {
  readonly pebble: Pick<Pebble, 'directory' | 'ca' | 'dns'>
  /** Lines of `tls.acme`. */
  readonly more?: readonly string[]
  readonly hostname?: string
}

export const configOf = ({ pebble, more = [], hostname = HOST }: Setting): string => `hostname: ${hostname}
domains: [home.test]
mailboxes: []
http: { enabled: false }
outbound: { enabled: false }
dns: { servers: ['${pebble.dns}'] }
tls:
  acme:
    agree_terms: true
    directory: ${pebble.directory}
    ca: ${pebble.ca}
${more.map((line) => `    ${line}\n`).join('')}`

/** Who is shown, as a mail program sees it. */
export async function shown(port: number): Promise<X509Certificate> {
  const socket = connect({ port, host: '127.0.0.1', servername: HOST, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect')
    return new X509Certificate(socket.getPeerCertificate().raw)
  } finally {
    socket.destroy()
  }
}

export async function until(what: string, is: () => boolean | Promise<boolean>, server: Pick<TestServer, 'output'>, ms = 30_000): Promise<void> {
  const began = performance.now()
  while (!(await is())) {
    assert.ok(performance.now() - began < ms, `${what}: not within ${ms} ms\n${server.output.slice(-6_000)}`)
    await sleep(50)
  }
}

export const certificateFile = (server: Pick<TestServer, 'dir'>): string => join(server.dir, 'tls/acme/cert.pem')

/** A session of a mail program, which asks for nothing. */
export async function pop3(port: number): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'data')
  return socket
}

export async function noop(socket: TLSSocket): Promise<string> {
  socket.write('CAPA\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return String(answer)
}

export interface Front {
  readonly port: number
  /** Connections from now on go to that port; undefined: they are closed. */
  to: number | undefined
  close(): void
}

/** Stands where the authority looks: 443 of the world. */
export async function startFront(): Promise<Front> {
  const sockets = new Set<Socket>()
  const front = { to: undefined as number | undefined }
  const server = createServer((from) => {
    if (front.to === undefined) return void from.destroy()
    const onward = createConnection(front.to, '127.0.0.1')
    for (const socket of [from, onward]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    }
    from.pipe(onward).pipe(from)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(front, {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  })
}
