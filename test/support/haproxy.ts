/** A real HAProxy (Debian package haproxy) on free ports of loopback, with docker/haproxy.cfg as it stands but for addresses and ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const EXAMPLE = new URL('../../docker/haproxy.cfg', import.meta.url)
const WITHIN = 10_000

/** Where a host behind it listens, by the ports of the example. */
export type Ports = Readonly<Record<string, number>>

export interface TestHaproxy {
  /** By the ports of the example. */
  readonly ports: Ports
  readonly output: string
  close(): Promise<void>
}

export interface HaproxyOptions {
  /** By the names of the example. */
  readonly servers: Readonly<Record<string, Ports>>
  /** It is believed a header itself, so that a test may be any client: a test on loopback has no other address to come from. */
  readonly acceptProxy?: boolean
  /** It looks at the mail ports themselves, which it does with a header of its own (LOCAL), instead of asking /readyz. */
  readonly plainChecks?: boolean
}

/** Rejects with what HAProxy said when it does not start. Resolves when every section has all its servers up. */
export async function startHaproxy({ servers, acceptProxy = false, plainChecks = false }: HaproxyOptions): Promise<TestHaproxy> {
  const example = readFileSync(EXAMPLE, 'utf8')
  const ports: Record<string, number> = {}
  for (const [, port] of example.matchAll(/bind :::(\d+) v4v6/g)) ports[port!] = await freePort()
  const stats = await freePort()
  const config = example
    .replace('maxconn 20000', 'maxconn 500')
    .replace(/bind :::(\d+) v4v6/g, (_, port: string) => `bind 127.0.0.1:${ports[port]}${acceptProxy ? ' accept-proxy' : ''}`)
    .replace(/^( +server (\S+)) \S+:(\d+)$/gm, (_, server: string, name: string, port: string) => {
      const own = servers[name]!
      return `${server} 127.0.0.1:${own[port]}${plainChecks ? '' : ` port ${own['8025']}`}`
    })
    .replace(plainChecks ? / +option httpchk.*\n +http-check.*\n|check port 8025/g : /$^/, (text) => (text.startsWith('check') ? 'check' : ''))
    .concat(`\nfrontend stats\n    mode http\n    bind 127.0.0.1:${stats}\n    stats enable\n    stats uri /\n`)
  const dir = mkdtempSync(join(tmpdir(), 'postern-haproxy-'))
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(file, config)
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const close = async (): Promise<void> => {
    await end(child)
    rmSync(dir, { recursive: true, force: true })
  }
  const until = performance.now() + WITHIN
  while (!(await allUp(stats, plainChecks ? 'L4OK' : 'L7OK'))) {
    if (child.exitCode !== null || performance.now() > until) {
      await close()
      throw new Error(`haproxy does not start:\n${output}\n${config}`)
    }
    await sleep(50)
  }
  return {
    ports,
    get output() {
      return output
    },
    close,
  }
}

/** Servers begin as up until they are looked at: `check` is what that found. */
async function allUp(stats: number, check: string): Promise<boolean> {
  const csv = await fetch(`http://127.0.0.1:${stats}/;csv`)
    .then((response) => response.text())
    .catch(() => '')
  const rows = csv.split('\n').filter((row) => /^\w+,postern-/.test(row))
  return rows.length > 0 && rows.every((row) => row.includes(',UP,') && row.includes(`,${check},`))
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
