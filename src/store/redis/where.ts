/** The address of Redis in words: one Redis, a Cluster, or what a Sentinel names; and the prefix that lets several Posterns share it. */

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Credentials {
  readonly username?: string
  readonly password?: string
}

interface Common extends Credentials {
  readonly tls: boolean
  /** All keys and channels begin with it and a colon. */
  readonly prefix: string
}

export type Where = Common &
  (
    | { readonly kind: 'one'; readonly at: Address | { readonly path: string }; readonly db: number }
    | { readonly kind: 'cluster'; readonly seeds: readonly Address[] }
    | {
        readonly kind: 'sentinel'
        readonly sentinels: readonly Address[]
        /** What the sentinels call it. */
        readonly name: string
        readonly db: number
        readonly sentinel: Credentials
      }
  )

export const DEFAULT_PREFIX = 'postern'
const MAX_URL = 8_192
const MAX_HOSTS = 64
const REDIS_PORT = 6379
const SENTINEL_PORT = 26379

/** Nothing of the address is repeated in what is thrown: it may hold a password. */
class NoAddress extends Error {
  constructor(why: string) {
    super(
      `the address of Redis is none: ${why}; it is redis://[[user]:password@]host[:port][/number] (rediss:// for TLS), redis+cluster://host:port,host:port, redis+sentinel://host:port,host:port/name, or the path of a socket`,
    )
  }
}

/** Throws one sentence on anything that is no address of a Redis. */
export function whereIs(url: string): Where {
  if (url.length > MAX_URL) throw new NoAddress('it is too long')
  const [, socket, tls, kind, authority = '', path = '', query = ''] =
    /^(?:(\/[^?]+)|redis(s?)(?:\+(cluster|sentinel))?:\/\/([^/?#]*)(\/[^?#]*)?)(?:\?([^#]*))?$/.exec(url) ?? []
  if (socket === undefined && tls === undefined) throw new NoAddress('no such beginning')
  const asked = settings(query, kind === 'sentinel' ? ['prefix', 'sentinel_user', 'sentinel_password'] : ['prefix'])
  const prefix = prefixOf(asked.get('prefix'))
  if (socket !== undefined) return { kind: 'one', at: { path: socket }, db: 0, tls: false, prefix }

  const hostsFrom = authority.lastIndexOf('@') + 1
  const hosts = (port: number): Address[] => addresses(authority.slice(hostsFrom), port)
  const common = { ...(hostsFrom > 0 && userOf(authority.slice(0, hostsFrom - 1))), tls: tls === 's', prefix }
  const [, first = '', second = '', rest] = /^\/?([^/]*)\/?([^/]*)(.*)$/.exec(path) ?? []
  if (rest) throw new NoAddress('its path is too long')

  if (kind === 'cluster') {
    if (first !== '' && first !== '0') throw new NoAddress('a Cluster has no numbered databases')
    return { kind, seeds: hosts(REDIS_PORT), ...common }
  }
  if (kind === 'sentinel') {
    const name = decoded(first)
    if (!/^[\w.-]{1,64}$/.test(name)) throw new NoAddress('the path has to be the name that the sentinels know')
    const [username, password] = [asked.get('sentinel_user'), asked.get('sentinel_password')]
    const sentinel = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
    return { kind, sentinels: hosts(SENTINEL_PORT), name, db: databaseOf(second), sentinel, ...common }
  }
  const [at, ...more] = hosts(REDIS_PORT)
  if (more.length > 0 || second) throw new NoAddress('one Redis has one host')
  return { kind: 'one', at: at!, db: databaseOf(first), ...common }
}

function settings(query: string, known: readonly string[]): Map<string, string> {
  const asked = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name) || asked.has(name)) throw new NoAddress(`after the question mark may be ${known.join(', ')}, each once`)
    asked.set(name, value)
  }
  return asked
}

function prefixOf(text: string = DEFAULT_PREFIX): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(text)) throw new NoAddress('the prefix has to be up to 32 letters, digits, dots and hyphens')
  return text
}

function userOf(text: string): Credentials {
  const colon = text.indexOf(':')
  const username = decoded(colon < 0 ? text : text.slice(0, colon))
  const password = colon < 0 ? '' : decoded(text.slice(colon + 1))
  if (username !== '' && password === '') throw new NoAddress('a user needs a password')
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) }
}

function addresses(text: string, defaultPort: number): Address[] {
  const hosts = text.split(',').map((one) => {
    const [, v6, name, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(one) ?? []
    const host = v6 ?? name
    const number = port === undefined ? defaultPort : Number(port)
    if (host === undefined || host.length > 253 || number < 1 || number > 65_535) throw new NoAddress('a host or port in it is none')
    return { host, port: number }
  })
  if (hosts.length > MAX_HOSTS) throw new NoAddress('it has too many hosts')
  return hosts
}

function databaseOf(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new NoAddress('the number of the database is none')
  return Number(text)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new NoAddress('a percent sign in it is not followed by two digits')
  }
}
