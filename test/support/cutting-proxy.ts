/** A proxy before Postgres that can swallow a reply: the server has done what it was asked, and nobody hears of it. */
import { createServer, connect as dial, type Socket } from 'node:net'
import type { TestConnect } from './postgres.ts'

const SYNC = 0x53

export interface CuttingProxy {
  readonly connect: TestConnect
  /** The reply to the `n`th statement from now is swallowed, and its connection closed. */
  cutReply(n: number): void
  /** Whether the cut has happened. */
  readonly cut: boolean
  close(): Promise<void>
}

export async function cuttingProxy(to: TestConnect): Promise<CuttingProxy> {
  let left = 0
  let cut = false
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = dial(`${to.host}/.s.PGSQL.${to.port}`)
    let deaf = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('data', (bytes: Buffer) => {
      // pg sends the Sync that ends a statement as five octets of their own at the end of a chunk.
      if (left > 0 && bytes.at(-5) === SYNC && --left === 0) {
        cut = deaf = true
        // Long enough for the statement to be done, and then some.
        setTimeout(() => {
          client.destroy()
          upstream.destroy()
        }, 40)
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (!deaf) client.write(bytes)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    connect: { ...to, host: '127.0.0.1', port },
    cutReply(n) {
      cut = false
      left = n
    },
    get cut() {
      return cut
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
