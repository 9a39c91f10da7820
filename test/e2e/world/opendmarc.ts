/** OpenDMARC, which says to Postfix whether the author's domain stands by a message: Debian package `opendmarc`. It goes by what OpenDKIM found, and asks SPF itself. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Program, startProgram } from './programs.ts'

export function startOpenDmarc({
  dir,
  hostname,
  port,
}: {
  readonly dir: string
  readonly hostname: string
  readonly port: number
}): Promise<Program> {
  const config = join(dir, 'opendmarc.conf')
  const hosts = join(dir, 'opendmarc-hosts')
  // It passes over mail of 127.0.0.1 unless it is told of others.
  writeFileSync(hosts, '192.0.2.1\n')
  const settings = [
    `Socket inet:${port}@127.0.0.1`,
    `AuthservID ${hostname}`,
    `TrustedAuthservIDs ${hostname}`,
    `IgnoreHosts ${hosts}`,
    'SPFIgnoreResults true',
    'SPFSelfValidate true',
    'RejectFailures false',
    'Background false',
    'UserID opendmarc',
  ]
  writeFileSync(config, `${settings.join('\n')}\n`)
  for (const file of [config, hosts]) chmodSync(file, 0o644)
  return startProgram('opendmarc', { args: ['-f', '-c', config], log: join(dir, 'opendmarc.log'), at: { host: '127.0.0.1', port } })
}
