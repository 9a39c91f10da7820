/** Finds a port for each service: the configured one, the standard one where this process may have it, the high one, or any free one of the loopback. */
import type { PortChoice } from '../config/places.ts'
import { type Config, SERVICES, type ServiceName } from '../config/schema.ts'
import type { Listener } from '../net/listener.ts'
import { KINDS } from './kinds.ts'
import { Refused } from './refused.ts'

export interface Wish {
  /** undefined: all addresses. */
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly standard: number
  readonly high: number
  readonly listen: (host: string, port: number) => Promise<Listener>
}

/** What the config says of one listener. */
export function wishFor(name: ServiceName, { listeners }: Pick<Config, 'listeners'>, listen: Wish['listen']): Wish {
  const { standard, high } = KINDS[name]
  const { host, port } = listeners?.[name] ?? {}
  return { host, port, standard, high, listen }
}

export interface Bound {
  readonly service: ServiceName
  readonly port: number
  /** One, or two where both loopback addresses are listened on. */
  readonly listeners: readonly Listener[]
  /** Why it is not the standard port. */
  readonly instead?: 'forbidden' | 'taken' | undefined
}

/** All of them or none: what was bound is closed when one cannot be. Throws Refused. */
export async function bindAll(wishes: ReadonlyMap<ServiceName, Wish>, choice: PortChoice | undefined): Promise<Bound[]> {
  const bound: Bound[] = []
  try {
    for (const service of SERVICES) {
      const wish = wishes.get(service)
      if (wish) bound.push({ service, ...(choice === 'auto' ? await bindLoopback(wish) : await bindOne(service, wish, choice)) })
    }
    return bound
  } catch (error) {
    for (const { listeners } of bound) for (const listener of listeners) listener.close()
    throw error
  }
}

type Found = Omit<Bound, 'service'>

async function bindOne(service: ServiceName, wish: Wish, choice: 'standard' | 'high' | undefined): Promise<Found> {
  const { standard, high, port } = wish
  const ports = choice === 'standard' ? [standard] : choice === 'high' ? [high] : port !== undefined ? [port] : [standard, high]
  let instead: Found['instead']
  for (const [i, each] of ports.entries()) {
    const last = i === ports.length - 1
    try {
      return { port: each, listeners: [await bindHosts(wish, each)], instead }
    } catch (error) {
      const code = codeOf(error)
      if (last || (code !== 'EACCES' && code !== 'EADDRINUSE')) throw refusal(service, wish, each, error)
      instead = code === 'EACCES' ? 'forbidden' : 'taken'
    }
  }
  throw new Error('no port was tried')
}

async function bindHosts({ host, listen }: Wish, port: number): Promise<Listener> {
  if (host !== undefined) return listen(host, port)
  try {
    return await listen('::', port) // IPv4 as well
  } catch (error) {
    if (!NO_IPV6.has(codeOf(error) ?? '')) throw error
    return listen('0.0.0.0', port)
  }
}

const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL', 'EPROTONOSUPPORT'])
const TRIES = 20

/** The same free port on 127.0.0.1 and, where there is IPv6, on ::1: `localhost` may be either. */
async function bindLoopback({ listen }: Wish): Promise<Found> {
  for (let attempt = 1; ; attempt++) {
    const first = await listen('127.0.0.1', 0)
    try {
      return { port: first.port, listeners: [first, await listen('::1', first.port)] }
    } catch (error) {
      if (NO_IPV6.has(codeOf(error) ?? '')) return { port: first.port, listeners: [first] }
      first.close()
      if (attempt === TRIES || codeOf(error) !== 'EADDRINUSE') throw error
    }
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

function refusal(service: ServiceName, { host }: Wish, port: number, error: unknown): Refused {
  const where = `${service} cannot listen on port ${port}${host === undefined ? '' : ` of ${host}`}`
  const code = codeOf(error)
  if (code === 'EADDRINUSE')
    return new Refused(`${where}: another program has it. Stop that one, set listeners.${service}.port in the config, or start with --ports auto.`)
  if (code === 'EACCES') return new Refused(`${where}: this user may not bind ports below 1024. Start with --ports high, or as root.`)
  if (code === 'EADDRNOTAVAIL') return new Refused(`${where}: this machine has no such address. Correct listeners.${service}.host in the config.`)
  if (code === 'ENOTFOUND') return new Refused(`${where}: that is no address. Correct listeners.${service}.host in the config.`)
  return new Refused(`${where}: ${error instanceof Error ? error.message : error}.`)
}
