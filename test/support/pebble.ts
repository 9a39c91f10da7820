/** Pebble, an authority for tests, with a DNS of its own: Debian package `pebble`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeAuthority } from './authority.ts'
import { removeFolder, tempFolder } from './temp.ts'

export const PEBBLE = ['pebble', 'pebble-challtestsrv']

export interface Pebble {
  readonly directory: string
  /** PEM file of who signed its own certificate. */
  readonly ca: string
  /** `127.0.0.1:PORT`, a server of the DNS in which every name has 127.0.0.1, but for those that say otherwise. */
  readonly dns: string
  /** Where it looks for who serves a name. */
  readonly tlsPort: number
  /** PEM of the root of what it gives. */
  root(): Promise<string>
  /** The name's addresses from now on; none: there is no such name. */
  address(name: string, ...addresses: string[]): Promise<void>
  readonly output: string
  close(): Promise<void>
}

export interface PebbleOptions {
  readonly tlsPort: number
  readonly external?: Readonly<Record<string, string>>
  readonly env?: NodeJS.ProcessEnv
}

/** Nobody has it at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export async function startPebble({ tlsPort, external, env = {} }: PebbleOptions): Promise<Pebble> {
  const dir = tempFolder('pebble')
  const [port, management, dns, control, unused] = [await freePort(), await freePort(), await freePort(), await freePort(), await freePort()]
  const authority = makeAuthority('Pebble Itself')
  const own = authority.give({ names: ['localhost'] })
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  }
  const config = {
    ...{ listenAddress: `127.0.0.1:${port}`, managementListenAddress: `127.0.0.1:${management}` },
    ...{ certificate: file('cert.pem', own.cert), privateKey: file('key.pem', own.key) },
    ...{ httpPort: unused, tlsPort, ocspResponderURL: '' },
    ...{ externalAccountBindingRequired: external !== undefined, externalAccountMACKeys: external ?? {} },
  }
  let output = ''
  const children: ChildProcess[] = []
  const start = (program: string, args: readonly string[]): void => {
    const child = spawn(program, args, { env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    children.push(child)
  }
  const none = ['-http01', '', '-https01', '', '-tlsalpn01', '']
  start('pebble-challtestsrv', ['-management', `127.0.0.1:${control}`, '-dns01', `127.0.0.1:${dns}`, '-defaultIPv6', '', ...none])
  start('pebble', ['-config', file('config.json', JSON.stringify({ pebble: config })), '-dnsserver', `127.0.0.1:${dns}`])
  const close = async (): Promise<void> => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    removeFolder(dir)
  }
  const ca = file('ca.pem', authority.cert)
  const told = async (path: string, body: object): Promise<void> => {
    const { ok, status } = await fetch(`http://127.0.0.1:${control}/${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!ok) throw new Error(`${path}: ${status}`)
  }
  const here = async (): Promise<boolean> => {
    try {
      await told('clear-a', { host: 'nobody.' })
      await get(`https://localhost:${port}/dir`, authority.cert)
      return true
    } catch {
      return false
    }
  }
  for (let tries = 0; !(await here()); tries++) {
    if (tries > 200 || children.some(({ exitCode }) => exitCode !== null)) {
      await close()
      throw new Error(`Pebble does not start:\n${output}`)
    }
    await sleep(50)
  }
  return {
    ...{ directory: `https://localhost:${port}/dir`, ca, dns: `127.0.0.1:${dns}`, tlsPort, close },
    root: () => get(`https://localhost:${management}/roots/0`, authority.cert),
    async address(name, ...addresses) {
      await told('clear-a', { host: `${name}.` })
      await told('clear-servfail', { host: `${name}.` })
      if (addresses.length > 0) await told('add-a', { host: `${name}.`, addresses })
      else await told('set-servfail', { host: `${name}.` })
    },
    get output() {
      return output
    },
  }
}

async function get(url: string, ca: string): Promise<string> {
  const { request } = await import('node:https')
  const asked = request(url, { ca, agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer>]
  let text = ''
  for await (const piece of answer) text += piece
  return text
}
