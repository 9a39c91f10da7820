/** Which certificate the server shows: the configured one, else its own. */
import { X509Certificate } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Log } from '../log.ts'
import { type KeyPair, loadKeyPair, selfSigned, selfSignedFiles } from '../net/tls.ts'

export interface Certificate {
  readonly pair: KeyPair
  /** PEM file that a client can verify it with. */
  readonly ca: string
  readonly selfSigned: boolean
  /** Configured files, to be watched. */
  readonly files: readonly string[]
}

/** Throws TlsRefused. */
export function certificateFor({ tls, hostname }: Pick<Config, 'tls' | 'hostname'>, configFile: string, dataDir: string): Certificate {
  if (!tls) {
    const dir = join(dataDir, 'tls')
    return { pair: selfSigned(dir, hostname), ca: selfSignedFiles(dir).cert, selfSigned: true, files: [] }
  }
  const [cert, key] = [tls.cert, tls.key].map((file) => resolve(dirname(configFile), file)) as [string, string]
  return { pair: loadKeyPair(cert, key), ca: cert, selfSigned: false, files: [cert, key] }
}

/** The host that scripts and people are told: `localhost` where the certificate has that name, else the server's own. */
export const hostIn = ({ pair }: Certificate, hostname: string): string =>
  new X509Certificate(pair.cert).checkHost('localhost') ? 'localhost' : hostname

const DAY = 86_400_000

/** Says when a certificate is not this host's, and when it ends soon: `warn` within 20 days, `error` within 7. */
export function warnOfCertificate({ pair, selfSigned }: Certificate, hostname: string, log: Log, now = Date.now()): void {
  if (selfSigned) return // made for this host, renewed 30 days before its end
  if (!new X509Certificate(pair.cert).checkHost(hostname))
    log.warn({ names: pair.names, hostname }, 'the certificate is not for "hostname": mail programs refuse it')
  const days = Math.floor((pair.expires - now) / DAY)
  if (days < 0) log.error({ names: pair.names }, 'the certificate has expired: mail programs refuse it')
  else if (days < 7) log.error({ days, names: pair.names }, 'the certificate ends within a week')
  else if (days < 20) log.warn({ days, names: pair.names }, 'the certificate ends soon')
}
