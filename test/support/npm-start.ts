/** The server as a person starts it: `npm start -- --data DIR --ports auto`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { succeed } from './programs.ts'

export interface Endpoints {
  readonly host: string
  readonly ca: string
  readonly pid: number
  readonly database: string
  readonly listeners: readonly { readonly service: string; readonly port: number; readonly tls: string }[]
  readonly mailboxes: readonly { readonly address: string; readonly password: string | null }[]
}

export interface Started {
  readonly endpoints: Endpoints
  readonly dir: string
  /** What it printed so far. */
  readonly output: string
  port(service: 'mx' | 'submission' | 'submissions' | 'imaps' | 'pop3s'): number
  /** The first mailbox. */
  readonly user: { readonly address: string; readonly password: string }
  /** SIGTERM to npm; resolves to the exit code. */
  stop(): Promise<number | null>
  /** SIGKILL to the server's own process. */
  kill(): Promise<void>
}

const PROJECT = new URL('../..', import.meta.url).pathname
const START_WITHIN = 90_000

/** Resolves when endpoints.json is there. `project`: the clone it is started from. */
export async function npmStart(dir: string, { project = PROJECT, env = {} }: { project?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Started> {
  const child = spawn('npm', ['start', '--', '--data', dir, '--ports', 'auto'], {
    cwd: project,
    env: { ...process.env, DATABASE_URL: '', REDIS_URL: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const file = join(dir, 'endpoints.json')
  const endpoints = await waitFor(child, file, () => output)
  const first = endpoints.mailboxes[0]!
  return {
    endpoints,
    dir,
    get output() {
      return output
    },
    port(service) {
      return endpoints.listeners.find((listener) => listener.service === service)!.port
    },
    user: { address: first.address, password: first.password ?? '' },
    async stop() {
      child.kill('SIGTERM')
      return exited
    },
    async kill() {
      process.kill(endpoints.pid, 'SIGKILL')
      await exited
    },
  }
}

async function waitFor(child: ChildProcess, file: string, output: () => string): Promise<Endpoints> {
  const until = performance.now() + START_WITHIN
  // What lies there from a server that was killed is removed by the new one before anything listens: read only what names the new process.
  const old = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Endpoints).pid : undefined
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${output()}`)
    if (existsSync(file)) {
      const endpoints = JSON.parse(readFileSync(file, 'utf8')) as Endpoints
      if (endpoints.pid !== old) return endpoints
    }
    await sleep(50)
  }
  child.kill('SIGKILL')
  throw new Error(`the server was not ready within ${START_WITHIN} ms:\n${output()}`)
}

/** `npx postern --data DIR mailbox add ADDRESS --password-stdin`, and the two seconds that it may take. */
export async function addMailbox({ dir }: Started, address: string, password: string): Promise<void> {
  await succeed('npx', ['postern', '--data', dir, 'mailbox', 'add', address, '--password-stdin'], { cwd: PROJECT, input: `${password}\n` })
  await sleep(2_000)
}
