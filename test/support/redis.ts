/** A redis-server of the tests' own: Debian package `redis-server`, a free port on loopback, a folder that goes with it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Why tests that need it are skipped; false when it is there. */
export const redisMissing: string | false = spawnSync('redis-server', ['--version']).error
  ? 'redis-server is not installed (Debian package redis-server)'
  : false

export interface TestRedis {
  readonly url: string
  readonly port: number
  /** SIGKILL, as a power cut would. */
  kill(): Promise<void>
  /** SIGSTOP: it is there and says nothing. `wake` ends that. */
  pause(): void
  wake(): void
  /** After `kill`: an empty one on the same port. */
  start(): Promise<void>
  /** For good. */
  close(): Promise<void>
}

export const testRedis = (...options: string[]): Promise<TestRedis> => redisServer({ options })

/** `file`: the text of a config file, kept in the server's folder, which a sentinel and a node of a Cluster write to. */
export async function redisServer({ options = [], file }: { readonly options?: readonly string[]; readonly file?: string }): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-test-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined
  if (file !== undefined) writeFileSync(join(dir, 'redis.conf'), file)

  async function start(): Promise<void> {
    const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, ...options]
    if (file === undefined) args.push('--save', '', '--appendonly', 'no')
    else args.unshift(join(dir, 'redis.conf'))
    child = spawn('redis-server', args, { stdio: 'ignore' })
    child.on('error', () => {})
    const end = performance.now() + 5_000
    while (!(await accepts(port))) {
      if (performance.now() > end) throw new Error('redis-server does not start')
      await new Promise((done) => setTimeout(done, 20))
    }
  }

  async function kill(): Promise<void> {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const ended = once(ending, 'exit')
    ending.kill('SIGKILL')
    await ended
  }

  try {
    await start()
  } catch (err) {
    await kill()
    throw err
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill,
    pause: () => void child?.kill('SIGSTOP'),
    wake: () => void child?.kill('SIGCONT'),
    start,
    async close() {
      await kill()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const say = (so: boolean) => {
      socket.destroy()
      resolve(so)
    }
    socket.on('error', () => say(false))
    socket.on('connect', () => socket.write('PING\r\n'))
    // One that wants a password is there too.
    socket.on('data', (chunk) => say(/^(\+PONG|-NOAUTH)/.test(chunk.toString())))
  })
}
