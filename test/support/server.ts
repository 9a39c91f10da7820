/** The server as a process of its own, on free ports of the loopback: `node src/main.ts serve --data DIR --ports auto`. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoints } from '../../src/serve/endpoints.ts'

export interface TestServerOptions {
  /** Its data folder; a new one, removed by `close`, when absent. */
  readonly dir?: string
  /** Text of DIR/postern.yaml; when absent the first start writes it. */
  readonly config?: string
  /** `DATABASE_URL: testDatabase().url` spares it the embedded Postgres. */
  readonly env?: NodeJS.ProcessEnv
  readonly args?: readonly string[]
  /** Put before the command line, such as `ip netns exec NAME`: a program that becomes the one it runs. */
  readonly within?: readonly string[]
}

export interface TestServer {
  readonly dir: string
  readonly child: ChildProcess
  /** As they stand in the file now. */
  readonly endpoints: Endpoints
  /** Standard output and error so far. */
  readonly output: string
  port(service: Endpoints['listeners'][number]['service']): number
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
  kill(): Promise<void>
  /** Stops it if it runs, removes what it left. */
  close(): Promise<void>
}

type ServeProcess = ChildProcessByStdio<null, Readable, Readable>

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const WITHIN = 60_000

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** One command of the command line, to its end. Nothing of the caller's environment that would point it elsewhere. */
export async function postern(
  args: readonly string[],
  { env = {}, input = '', cwd }: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...CLEAN, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: 'pipe',
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

const CLEAN = {
  DATABASE_URL: '',
  DATABASE_URL_FILE: '',
  REDIS_URL: '',
  REDIS_URL_FILE: '',
  POSTERN_DATA: '',
  POSTERN_CONFIG: '',
  POSTERN_PORTS: '',
  POSTERN_LOG_LEVEL: '',
  POSTERN_WORKERS: '',
  POSTERN_ROLES: '',
}

/** A folder that the embedded Postgres's user can reach through. */
export function dataFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-server-'))
  chmodSync(dir, 0o711)
  return dir
}

/** The server's process, however its start goes. */
export function spawnServe(args: readonly string[], env?: NodeJS.ProcessEnv, within: readonly string[] = []): ServeProcess {
  const [program, ...all] = [...within, process.execPath, MAIN, 'serve', ...args]
  return spawn(program!, all, { env: { ...process.env, ...CLEAN, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Resolves when it has written endpoints.json; rejects with its output when it ends before. */
export async function startServer(o: TestServerOptions = {}): Promise<TestServer> {
  const dir = o.dir ?? dataFolder()
  if (o.config !== undefined) writeFileSync(join(dir, 'postern.yaml'), o.config, { mode: 0o600 })
  const child = spawnServe(['--data', dir, '--ports', 'auto', ...(o.args ?? [])], o.env, o.within)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const file = join(dir, 'endpoints.json')
  const until = performance.now() + WITHIN
  while (startedBy(file) !== child.pid) {
    if (child.exitCode !== null || performance.now() > until) {
      child.kill('SIGKILL')
      throw new Error(`the server did not start (${child.exitCode}):\n${output}`)
    }
    await sleep(20)
  }
  return {
    dir,
    child,
    get endpoints() {
      return read(file)
    },
    get output() {
      return output
    },
    port: (service) => read(file).listeners.find((l) => l.service === service)!.port,
    async stop() {
      child.kill('SIGTERM')
      return exited
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await exited
      if (o.dir === undefined) rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** The process that wrote it last; one that starts takes its predecessor's away at any moment. */
function startedBy(file: string): number | undefined {
  try {
    return read(file).pid
  } catch {
    return undefined
  }
}

const read = (file: string): Endpoints => JSON.parse(readFileSync(file, 'utf8')) as Endpoints
