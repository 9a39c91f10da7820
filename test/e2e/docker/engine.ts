/**
 * A Docker engine of the test's own: its data in a folder that goes with it, and in a network namespace of its own, "vps", so that it has the real ports, its firewall rules
 * are nobody else's and all of it is gone afterwards. Beside it a namespace "net", where the clients are. npm's registry is handed in by a server on the one address that the
 * two sides share.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ran, type RunOptions, run, succeed } from '../../support/programs.ts'

/** Where the published ports are, seen from the clients; and the clients. */
export const VPS = { v4: '203.0.113.1', v6: '2001:db8:77::1' }
export const CLIENT = { v4: '203.0.113.50', v6: '2001:db8:77::50' }
const INSIDE = '198.18.77.2'
const REGISTRY = { host: '198.18.77.1', port: 4873 }
const START_MS = 60_000

export interface Engine {
  /** `docker ARGS`, an error for an exit code but 0. */
  docker(args: readonly string[], options?: RunOptions): Promise<string>
  /** The environment for `docker` and `docker-compose`. */
  readonly env: NodeJS.ProcessEnv
  /** A program where the clients are, or beside the engine. */
  run(where: 'net' | 'vps', program: string, args: readonly string[], options?: RunOptions): Promise<Ran>
  /** URL for NPM_CONFIG_REGISTRY. */
  readonly registry: string
  stop(): Promise<void>
}

export async function startEngine(below: string, upstream: string): Promise<Engine> {
  await using undo = new AsyncDisposableStack()
  const folder = mkdtempSync(join(below, 'postern-docker-'))
  undo.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 }))
  const tag = `pd${process.pid}`
  const spaces = { vps: `${tag}-vps`, net: `${tag}-net` }
  for (const space of Object.values(spaces)) {
    await succeed('ip', ['netns', 'add', space])
    undo.defer(async () => void (await run('ip', ['netns', 'del', space])))
  }
  await cable(spaces, tag)
  undo.defer(async () => void (await run('ip', ['link', 'del', `${tag}a`])))
  const registry = await serveRegistry(upstream)
  undo.defer(async () => {
    registry.closeAllConnections()
    registry.close()
  })

  const socket = join(folder, 'sock')
  const child = inSpace(spaces.vps, 'dockerd', [
    ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')],
    ...['--host', `unix://${socket}`, '--log-level', 'warn'],
    // What newer engines do by themselves.
    ...['--experimental', '--ip6tables'],
  ])
  const log = join(folder, 'log')
  const file = createWriteStream(log)
  child.stdout?.pipe(file)
  child.stderr?.pipe(file)
  undo.defer(() => endEngine(child))

  const env = {
    ...process.env,
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_CONFIG: folder,
    // The engine's own builder, by the API: no further program is needed.
    ...{ DOCKER_BUILDKIT: '0', COMPOSE_DOCKER_CLI_BUILD: '0' },
  }
  const docker = async (args: readonly string[], options: RunOptions = {}) =>
    (await succeed('docker', args, { within: 600_000, env, ...options })).out
  const until = performance.now() + START_MS
  while ((await run('docker', ['version'], { env })).code !== 0) {
    if (child.exitCode !== null || performance.now() > until) throw new Error(`dockerd does not start:\n${readFileSync(log, 'utf8').slice(-4000)}`)
    await sleep(200)
  }

  const done = undo.move()
  return {
    docker,
    env,
    registry: `http://${REGISTRY.host}:${REGISTRY.port}/`,
    run: (where, program, args, options) => run('nsenter', [`--net=/var/run/netns/${spaces[where]}`, program, ...args], options),
    stop: () => done.disposeAsync(),
  }
}

/** nsenter, and not `ip netns exec`: that one hides the control groups. */
const inSpace = (space: string, program: string, args: readonly string[]): ChildProcess =>
  // A group of its own: Ctrl-C ends the test, and the test ends the engine.
  spawn('nsenter', [`--net=/var/run/netns/${space}`, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })

async function cable({ vps, net }: { vps: string; net: string }, tag: string): Promise<void> {
  const ip = (...args: string[]) => succeed('ip', args)
  for (const space of [vps, net]) await ip('-n', space, 'link', 'set', 'lo', 'up')
  await ip('link', 'add', `${tag}a`, 'type', 'veth', 'peer', 'name', 'up0', 'netns', vps)
  await ip('addr', 'add', `${REGISTRY.host}/30`, 'dev', `${tag}a`)
  await ip('link', 'set', `${tag}a`, 'up')
  await ip('-n', vps, 'addr', 'add', `${INSIDE}/30`, 'dev', 'up0')
  await ip('-n', vps, 'link', 'set', 'up0', 'up')
  await ip('link', 'add', 'wan0', 'netns', vps, 'type', 'veth', 'peer', 'name', 'wan0', 'netns', net)
  for (const [space, at] of [[vps, VPS] as const, [net, CLIENT] as const]) {
    await ip('-n', space, 'addr', 'add', `${at.v4}/24`, 'dev', 'wan0')
    await ip('-n', space, 'addr', 'add', `${at.v6}/64`, 'dev', 'wan0', 'nodad')
    await ip('-n', space, 'link', 'set', 'wan0', 'up')
  }
}

/** npm's registry as this machine reaches it: files by their path, each fetched once. */
async function serveRegistry(upstream: string): Promise<Server> {
  const files = new Map<string, Promise<Buffer>>()
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const file = files.get(path) ?? fetch(new URL(path.slice(1), upstream)).then(async (r) => Buffer.from(await r.arrayBuffer()))
    files.set(path, file)
    file.then(
      (body) => response.end(body),
      (err: unknown) => response.writeHead(502).end(String(err)),
    )
  })
  server.listen(REGISTRY.port, REGISTRY.host)
  await once(server, 'listening')
  return server
}

async function endEngine(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  await ended
  clearTimeout(timer)
}
