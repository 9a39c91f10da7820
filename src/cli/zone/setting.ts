/** What a host says of itself to the DNS: the same for `postern dns`, which writes it down, and `postern doctor`, which looks whether it is there. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Config, ServiceName } from '../../config/schema.ts'
import { loadKeyPair, selfSignedFiles } from '../../net/tls.ts'
import { certificateFiles } from '../../serve/certificate.ts'
import { Refused } from '../../serve/refused.ts'
import { isPrivate } from '../../smtp/outbound/mx.ts'
import type { SigningKey } from '../../store/dkim.ts'

export interface Setting {
  readonly config: Config
  /** Which are served, on which ports. Those of other hosts with other roles too: their config is the same. */
  readonly ports: ReadonlyMap<ServiceName, number>
  /** This machine's own that anybody can reach. None: it does not know them, as behind a router. */
  readonly addresses: readonly string[]
  /** undefined: there is none yet. */
  readonly certificate: ShownCertificate | undefined
  /** undefined: the database cannot be asked. */
  readonly keys: readonly SigningKey[] | undefined
}

export interface ShownCertificate {
  /** PEM, this host's certificate first. */
  readonly pem: string
  readonly leaf: X509Certificate
  readonly selfSigned: boolean
}

/** The certificate that the server shows. Throws TlsRefused; makes none. */
export function shownCertificate(config: Pick<Config, 'tls'>, configFile: string, dataDir: string): ShownCertificate | undefined {
  const given = certificateFiles(config, configFile, dataDir)
  const files = given ?? selfSignedFiles(join(dataDir, 'tls'))
  if (!given && !existsSync(files.cert)) return undefined
  const { cert: pem } = loadKeyPair(files.cert, files.key)
  return { pem, leaf: new X509Certificate(pem), selfSigned: !given }
}

export function ownAddresses(interfaces = networkInterfaces()): string[] {
  const all = Object.values(interfaces).flatMap((of) => of ?? [])
  // A link-local address is told with its scope, and is nobody's elsewhere.
  return [...new Set(all.filter(({ internal, address }) => !internal && !address.includes('%') && !isPrivate(address)).map(({ address }) => address))]
}

/** Those that the DNS has, of the one that was asked for or of all. Throws Refused. */
export function domainsFor({ domains }: Pick<Config, 'domains'>, asked: string | undefined): string[] {
  if (asked !== undefined && !domains.includes(asked)) throw new Refused(`${asked} is not served here; local domains: ${domains.join(', ')}`)
  const named = (asked === undefined ? domains : [asked]).filter((domain) => !domain.startsWith('['))
  if (named.length === 0) throw new Refused(`${asked ?? domains.join(', ')} is an address and no name of the DNS`)
  return named
}

/** The nearest of the domains in whose zone a host may stand. */
export const zoneOf = (host: string, domains: readonly string[]): string | undefined =>
  domains.filter((domain) => host === domain || host.endsWith(`.${domain}`)).sort((a, b) => b.length - a.length)[0]
