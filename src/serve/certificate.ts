/** Which certificate the server shows: the configured one, the one that came by ACME, else its own. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Log } from '../log.ts'
import { type KeyPair, loadKeyPair, selfSigned, selfSignedFiles, TlsRefused } from '../net/tls.ts'
import { readAuthorities } from './refused.ts'

export interface Certificate {
  readonly pair: KeyPair
  /** PEM file that a client can verify it with. */
  readonly ca: string
  readonly selfSigned: boolean
  /** It came by ACME, or is in the place of one that is to come. */
  readonly acme: boolean
  /** Files to be watched. */
  readonly files: readonly string[]
}

type Setting = Pick<Config, 'tls'>

/** Files of the certificate that came by ACME: this host's copy of what the database has. */
export const acmeFiles = (dataDir: string) => ({ cert: join(dataDir, 'tls', 'acme', 'cert.pem'), key: join(dataDir, 'tls', 'acme', 'key.pem') })

/** Those of the certificate that is shown; undefined: the server's own. */
export function certificateFiles({ tls }: Setting, configFile: string, dataDir: string): { cert: string; key: string } | undefined {
  if (tls?.cert !== undefined && tls.key !== undefined) {
    const at = (file: string): string => resolve(dirname(configFile), file)
    return { cert: at(tls.cert), key: at(tls.key) }
  }
  const files = acmeFiles(dataDir)
  return tls?.acme && existsSync(files.cert) ? files : undefined
}

/** Throws TlsRefused, and Refused for a file of `tls.acme` that cannot be read. */
export function certificateFor(config: Pick<Config, 'tls' | 'hostname'>, configFile: string, dataDir: string): Certificate {
  const acme = config.tls?.acme !== undefined
  if (config.tls?.acme) authorityOf(config.tls.acme, configFile)
  const watched = acme ? Object.values(acmeFiles(dataDir)) : []
  const files = certificateFiles(config, configFile, dataDir)
  const pair = files && (acme ? usable(files) : loadKeyPair(files.cert, files.key))
  if (files && pair) return { pair, ca: files.cert, selfSigned: false, acme, files: acme ? watched : [files.cert, files.key] }
  const dir = join(dataDir, 'tls')
  return { pair: selfSigned(dir, config.hostname), ca: selfSignedFiles(dir).cert, selfSigned: true, acme, files: watched }
}

/** A copy that is broken is written anew: no reason not to start. */
function usable({ cert, key }: { cert: string; key: string }): KeyPair | undefined {
  try {
    return loadKeyPair(cert, key)
  } catch {
    return undefined
  }
}

export interface Authority {
  /** PEM of those that its own certificate is trusted by. */
  readonly ca: string | undefined
  readonly external: { readonly kid: string; readonly hmac: Buffer } | undefined
}

/** What the files that `tls.acme` names say. Throws Refused, TlsRefused. */
export function authorityOf({ ca, external_account: external }: NonNullable<NonNullable<Config['tls']>['acme']>, configFile: string): Authority {
  const at = (file: string): string => resolve(dirname(configFile), file)
  return {
    ca: ca === undefined ? undefined : readAuthorities(at(ca), 'tls.acme.ca'),
    external: external && { kid: external.kid, hmac: hmacIn(at(external.hmac_file)) },
  }
}

/** Base64url, as authorities give it; some give base64. */
function hmacIn(file: string): Buffer {
  const text = readAuthorities(file, 'tls.acme.external_account.hmac_file').trim()
  if (!/^[\w+/-]{16,}={0,2}$/.test(text)) throw new TlsRefused(`${file} ("tls.acme.external_account.hmac_file") holds no HMAC key in base64url.`)
  return Buffer.from(text, 'base64url')
}

/** The host that scripts and people are told: `localhost` where the certificate has that name, else the server's own. */
export const hostIn = ({ pair }: Certificate, hostname: string): string =>
  new X509Certificate(pair.cert).checkHost('localhost') ? 'localhost' : hostname

const DAY = 86_400_000

/** Renewal by ACME begins when a third of a certificate's life is left: less than these parts means that it failed for long. */
const SOON = 0.22
const VERY_SOON = 0.08

/** How near the end of a certificate is: within 20 days, within 7; of one by ACME, which may live for days only, within parts of its life. */
export function endingOf(leaf: X509Certificate, acme: boolean, now: number): 'far' | 'soon' | 'very soon' | 'past' {
  const expires = Date.parse(leaf.validTo)
  const left = expires - now
  const life = expires - Date.parse(leaf.validFrom)
  if (left < 0) return 'past'
  if (left < (acme ? VERY_SOON * life : 7 * DAY)) return 'very soon'
  return left < (acme ? SOON * life : 20 * DAY) ? 'soon' : 'far'
}

/** Says when a certificate is not this host's, and when it ends soon. */
export function warnOfCertificate({ pair, selfSigned, acme }: Certificate, hostname: string, log: Log, now = Date.now()): void {
  if (selfSigned) {
    // Made for this host, renewed 30 days before its end.
    if (acme) log.warn({ hostname }, 'no certificate came by ACME yet: mail programs are shown a self-signed one, and do not trust it')
    return
  }
  const leaf = new X509Certificate(pair.cert)
  if (!leaf.checkHost(hostname)) log.warn({ names: pair.names, hostname }, 'the certificate is not for "hostname": mail programs refuse it')
  const days = Math.floor((pair.expires - now) / DAY)
  const by = acme ? { by: 'ACME: the log, and "postern doctor", say why it was not renewed' } : {}
  const ending = endingOf(leaf, acme, now)
  if (ending === 'past') log.error({ names: pair.names, ...by }, 'the certificate has expired: mail programs refuse it')
  else if (ending === 'very soon')
    log.error({ days, names: pair.names, ...by }, acme ? 'the certificate ends very soon' : 'the certificate ends within a week')
  else if (ending === 'soon') log.warn({ days, names: pair.names, ...by }, 'the certificate ends soon')
}
