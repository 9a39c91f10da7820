/** Hosts of the little world: each has an address of its own on the loopback, and the records that a mail server has. */
import { createHash, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from '../../support/programs.ts'

export interface Host {
  readonly domain: string
  readonly hostname: string
  readonly address: string
}

/** In the network and the view of the file system that this process has of its own: nobody outside sees it. */
export async function ownNetwork(dir: string, hosts: readonly Host[]): Promise<void> {
  for (const { address } of hosts) await succeed('ip', ['addr', 'add', `${address}/32`, 'dev', 'lo'])
  writeFileSync(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\noptions trust-ad edns0\n', { mode: 0o644 })
  await succeed('mount', ['--bind', join(dir, 'resolv.conf'), '/etc/resolv.conf'])
}

export const recordsOf = ({ domain, hostname, address }: Host): string[] => [
  `${domain}. MX 10 ${hostname}.`,
  `${hostname}. A ${address}`,
  `${domain}. TXT "v=spf1 ip4:${address} -all"`,
]

export function tlsaOf({ hostname }: Pick<Host, 'hostname'>, { cert }: { readonly cert: string }): string {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  return `_25._tcp.${hostname}. TLSA 3 1 1 ${createHash('sha256').update(spki).digest('hex')}`
}
