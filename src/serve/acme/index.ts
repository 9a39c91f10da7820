/** Certificates by ACME, as the configuration has it: every process takes them from the database and can answer an authority; who has the role `queue` orders them. */
import { readFileSync } from 'node:fs'
import type { Config } from '../../config/schema.ts'
import type { Log } from '../../log.ts'
import { type Challenges, createChallenges } from '../../net/challenges.ts'
import type { Dns } from '../../net/dns/dns.ts'
import { writeKeyPair } from '../../net/tls.ts'
import type { AcmeState, AcmeStore } from '../../store/acme.ts'
import { acmeFiles } from '../certificate.ts'
import { Orderer } from './orderer.ts'

export interface AcmeOptions {
  readonly config: Config
  readonly configFile: string
  readonly dataDir: string
  readonly store: AcmeStore
  readonly dns: Dns
  /** Whether this process orders. */
  readonly orders: boolean
  readonly log: Log
}

export interface Acme {
  readonly challenges: Challenges
  /** From now on it is for that config; but the host's name stays what it was. */
  configure(config: Config): void
  stop(): Promise<void>
}

/** A new certificate is in the data folder of every host within this time, and is served a second later. */
export const LOOK_MS = 10_000
/** Nothing is ordered so soon after the start: the authority comes at once, and the listeners have to be there by then. */
const SETTLE_MS = 3_000

export function startAcme({ config: first, configFile, dataDir, store, dns, orders, log: parent }: AcmeOptions): Acme {
  const log = parent.child({ service: 'acme' })
  const { hostname } = first
  const orderer = orders ? new Orderer({ store, dns, hostname, configFile, log }) : undefined
  let config = first
  let stopped = false
  let again = false
  let told = false
  let settled = false
  let looking: Promise<void> | undefined

  const look = (): void => {
    again = true
    looking ??= loop().finally(() => {
      looking = undefined
    })
  }
  async function loop(): Promise<void> {
    while (again && !stopped) {
      again = false
      if (config.tls?.acme) await once().catch((err: unknown) => log.warn({ err }, 'certificates by ACME: the database could not be asked'))
    }
  }
  async function once(): Promise<void> {
    const state = await store.find(hostname)
    take(state)
    if (!orderer && !state && !told) {
      told = true
      log.warn({ hostname }, 'nobody has ordered a certificate for this host yet: a host of this "hostname" with the role "queue" does')
    }
    if (!orderer || !settled) return
    await orderer.look(config, state)
    take(await store.find(hostname))
  }
  function take(state: AcmeState | undefined): void {
    if (!state?.certificate) return
    const { chain: cert, key } = state.certificate
    const files = acmeFiles(dataDir)
    if (contentOf(files.cert) !== cert || contentOf(files.key) !== key) writeKeyPair(files, { cert, key })
  }

  const timer = setInterval(look, LOOK_MS).unref()
  const settling = setTimeout(() => {
    settled = true
    look()
  }, SETTLE_MS).unref()
  look()
  return {
    challenges: createChallenges(
      () => store.challenges(),
      (err) => log.warn({ err }, 'an authority cannot be answered: the database could not be asked'),
    ),
    configure(next) {
      config = next
      look()
    },
    async stop() {
      stopped = true
      clearInterval(timer)
      clearTimeout(settling)
      orderer?.stop()
      await looking
    },
  }
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
