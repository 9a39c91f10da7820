/** Keeps the running server at what its config file says: mailboxes, domains and certificates at once, the rest is named and waits for the next start. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Loaded, loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { watchFiles } from '../config/watch.ts'
import type { Log } from '../log.ts'
import type { Tls } from '../net/tls.ts'
import type { Accounts } from '../store/accounts.ts'
import { type Certificate, certificateFor, warnOfCertificate } from './certificate.ts'
import { applyMailboxes } from './generation.ts'
import { words } from './words.ts'

export interface LiveOptions {
  readonly loaded: Loaded
  readonly certificate: Certificate
  readonly configFile: string
  readonly dataDir: string
  /** Where the mailboxes are applied; left out by who only watches. */
  readonly accounts?: Accounts
  readonly tls?: Tls
  readonly log: Log
  /** Another process watches the files, complains of them, and says when to look. */
  readonly follows?: boolean
  /** From when on the settings count that it cannot apply. */
  readonly until?: string
  /** Mailboxes or the certificate are others now. */
  readonly changed?: (config: Config, certificate: Certificate) => Promise<void>
}

export interface Live {
  /** Looks again, now, whether or not a file changed. */
  reload(): void
  /** What serves has read that config anew, but for some settings. */
  restarted(config: Config, but: readonly Waiting[]): void
  close(): Promise<void>
}

/** After a reconciliation that failed, since the database was away. */
const RETRY_MS = 2_000
/** Self-signed certificates are renewed, others watched for their end. */
const CERTIFICATE_CHECK_MS = 12 * 3_600_000

export function keepLive(o: LiveOptions): Live {
  const { log, configFile, dataDir, follows = false, until = 'the next start' } = o
  const complaint = follows ? 'debug' : 'error'
  let started = o.loaded.config
  let config = o.loaded.config
  let certificate = o.certificate
  let told = ''
  let again = false
  let running: Promise<void> | undefined
  const closed = new AbortController()

  const watch = follows ? undefined : watchFiles([configFile, ...certificate.files], reload)
  const daily = follows ? undefined : setInterval(reload, CERTIFICATE_CHECK_MS).unref()
  if (!follows) {
    warnOfCertificate(certificate, config.hostname, log)
    // An edit while the server was starting: nobody watched yet.
    const now = read()
    if (now && JSON.stringify(now) !== JSON.stringify(config)) reload()
  }

  /** One at a time; edits that come meanwhile are seen by one more look. */
  function reload(): void {
    again = true
    running ??= loop().finally(() => {
      running = undefined
    })
  }

  async function loop(): Promise<void> {
    while (again && !closed.signal.aborted) {
      again = false
      await look().catch((err: unknown) => log.error({ err }, 'reading the config again failed: the server goes on as before'))
    }
  }

  async function look(): Promise<void> {
    const next = read()
    if (next) {
      if (!follows) mentionRestart(next)
      if (await reconciled(next)) config = next
    }
    replaceCertificate(config)
    await o.changed?.(config, certificate)
  }

  function read(): Config | undefined {
    try {
      return loadConfig(configFile, words).config
    } catch (error) {
      log[complaint]({ reason: messageOf(error) }, 'the config file is wrong: the server goes on with what it had')
      return undefined
    }
  }

  async function reconciled(next: Config): Promise<boolean> {
    if (!o.accounts) return true
    while (!again && !closed.signal.aborted) {
      try {
        if (await applyMailboxes({ accounts: o.accounts, configFile, dataDir, log }, next))
          log.info({ mailboxes: next.mailboxes.length, domains: next.domains.length }, 'mailboxes changed')
        return true
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'the mailboxes of the config could not be applied: trying again')
        await sleep(RETRY_MS, undefined, { signal: closed.signal }).catch(() => {})
      }
    }
    return false
  }

  function replaceCertificate(now: Config): void {
    try {
      const next = certificateFor(now, configFile, dataDir)
      watch?.files([configFile, ...next.files])
      if (next.pair.cert !== certificate.pair.cert || next.pair.key !== certificate.pair.key) {
        o.tls?.replace(next.pair)
        if (!follows) log.info({ names: next.pair.names }, 'new certificate')
      }
      certificate = next
      if (!follows) warnOfCertificate(next, now.hostname, log)
    } catch (error) {
      log[complaint]({ reason: messageOf(error) }, 'the new certificate cannot be used: the server keeps the one it had')
    }
  }

  function mentionRestart(next: Config): void {
    const differing = WAITS.filter((key) => JSON.stringify(next[key]) !== JSON.stringify(started[key])).join(', ')
    if (differing !== '' && differing !== told) log.warn({ settings: differing }, `changed settings that count from ${until}`)
    told = differing
  }

  return {
    reload,
    restarted(now, but) {
      started = { ...now, ...Object.fromEntries(but.map((key) => [key, started[key]])) }
      told = ''
      mentionRestart(now)
    },
    async close() {
      closed.abort()
      watch?.close()
      clearInterval(daily)
      await running
    },
  }
}

/** Settings that are read at the start only. */
const WAITS = [
  'hostname',
  'listeners',
  'http',
  'proxy_protocol',
  'workers',
  'roles',
  'database',
  'redis',
  'relay',
  'outbound',
  'inbound',
  'reports',
  'scan',
  'dns',
  'mta_sts',
  'oidc',
  'disable',
  'enable',
  'sharing',
  'limits',
  'log',
  'drain_seconds',
] as const satisfies readonly (keyof Config)[]
type Waiting = (typeof WAITS)[number]

/** Settings that are applied at once. */
type AtOnce = 'domains' | 'mailboxes' | 'postmaster' | 'lists' | 'catch_all' | 'public' | 'generation' | 'tls'
// A setting that is in neither list does not compile: its edit would be passed over in silence.
true satisfies Exclude<keyof Config, Waiting | AtOnce> extends never ? true : never

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
