/** Hosts without mail: what orders, and a listener that an authority finds, each with its own connections to the one database. */

import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { checkConfig, parseConfig } from '../../../src/config/load.ts'
import type { Config } from '../../../src/config/schema.ts'
import { silentLog } from '../../../src/log.ts'
import { canonical, canonicalDomain } from '../../../src/mail/address.ts'
import { type Challenges, createChallenges } from '../../../src/net/challenges.ts'
import type { Dns } from '../../../src/net/dns/dns.ts'
import { type Listener, listen } from '../../../src/net/listener.ts'
import { makeSelfSigned } from '../../../src/net/self-signed.ts'
import { createTls } from '../../../src/net/tls.ts'
import { Orderer, type OrdererOptions } from '../../../src/serve/acme/orderer.ts'
import type { AcmeState, AcmeStore } from '../../../src/store/acme.ts'
import { createAcmeStore } from '../../../src/store/pg/acme.ts'
import { Pool } from '../../../src/store/pg/pool.ts'
import type { TestDatabase } from '../../support/postgres.ts'
import { HOST } from './house.ts'

export interface AcmeHost {
  readonly store: AcmeStore
  readonly listener: Listener
  /** Authorities that were looked for an answer for. */
  readonly asked: string[]
  /** What the log says. */
  readonly said: { level: string; fields: object; message: string }[]
  orderer(more?: Partial<OrdererOptions>): Orderer
  look(orderer: Orderer, config: Config): Promise<AcmeState | undefined>
  close(): Promise<void>
}

export interface HostOptions {
  readonly database: TestDatabase
  readonly dir: string
  readonly dns?: Dns
  /** Holds an authority up before it is answered. */
  readonly before?: (name: string) => Promise<void>
}

/** Every name has the one address. */
export const EVERYWHERE: Dns = {
  validates: false,
  ask: async (name, type) => ({ records: (type === 'A' ? ['127.0.0.1'] : []) as never[], secure: false, name }),
}

export const configText = (directory: string, ca: string, more = ''): string =>
  `hostname: ${HOST}\ndomains: [home.test]\ntls: { acme: { agree_terms: true, directory: '${directory}', ca: '${ca}'${more} } }\n`

export const configFrom = (text: string): Config => checkConfig(parseConfig('/tmp/postern.yaml', text), WORDS).config

const WORDS = {
  address: canonical,
  domain: canonicalDomain,
  isHash: () => true,
  isAppHash: () => true,
  scramSalting: () => undefined,
  capabilities: { disable: new Set<string>(), enable: new Set<string>() },
}

export async function startHost({ database, dir, dns = EVERYWHERE, before }: HostOptions): Promise<AcmeHost> {
  const pool = new Pool({ connect: database.connect, max: 3, log: silentLog() })
  const store = createAcmeStore(pool)
  const asked: string[] = []
  const said: AcmeHost['said'] = []
  const level = (name: string) => (fields: object, message: string) => void said.push({ level: name, fields, message })
  const log = { info: level('info'), warn: level('warn'), error: level('error'), debug: level('debug') }
  const found = createChallenges(
    () => store.challenges(),
    (err) => log.error({ err }, 'challenges'),
  )
  const challenges: Challenges = {
    async find(name) {
      asked.push(name)
      await before?.(name)
      return found.find(name)
    },
  }
  const { cert, key } = makeSelfSigned({ hostname: HOST, now: Date.now() })
  const listener = await listen({
    ...{ host: '127.0.0.1', port: 0, mode: 'implicit' as const, challenges, networkOf: (remote: string) => remote, log },
    tls: createTls({ cert, key, expires: 0, names: '' }).service('https'),
    serve: async ({ socket }: { socket: Socket }) => void socket.end(),
  })
  writeFileSync(join(dir, 'postern.yaml'), '')
  return {
    ...{ store, listener, asked, said },
    orderer: (more = {}) =>
      new Orderer({ store, dns, hostname: HOST, configFile: join(dir, 'postern.yaml'), log: log as never, pollMs: 50, ...more }),
    async look(orderer, config) {
      await orderer.look(config, await store.find(HOST))
      return store.find(HOST)
    },
    async close() {
      await listener.drain(0)
      await pool.close()
    },
  }
}
