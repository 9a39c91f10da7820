/** A process of its own that sends back what it gets: how late is any process on this machine now? */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Echo {
  /** Milliseconds there and back, one every EVERY_MS. */
  readonly samples: readonly number[]
  close(): Promise<void>
}

const EVERY_MS = 50

export async function startEcho(): Promise<Echo> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  const socket = connect({ host: '127.0.0.1', port: Number(said.toString()), noDelay: true })
  await once(socket, 'connect')
  const samples: number[] = []
  let closed = false
  const running = (async () => {
    while (!closed) {
      const before = performance.now()
      socket.write('x')
      await once(socket, 'data')
      samples.push(performance.now() - before)
      await sleep(EVERY_MS)
    }
  })()
  return {
    samples,
    async close() {
      closed = true
      await running
      socket.destroy()
      child.stdin.end()
      await once(child, 'exit')
    },
  }
}

if (import.meta.main) {
  const server = createServer({ noDelay: true }, (socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`)
  // Whoever started it is gone when this ends.
  process.stdin.on('end', () => process.exit(0)).resume()
}
