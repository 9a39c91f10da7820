/** OpenDKIM, which says to Postfix whether signatures hold: Debian package `opendkim`. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Program, startProgram } from './programs.ts'

export function startOpenDkim({ dir, hostname, port }: { readonly dir: string; readonly hostname: string; readonly port: number }): Promise<Program> {
  const config = join(dir, 'opendkim.conf')
  const resolver = join(dir, 'opendkim-resolver.conf')
  // It has a resolver within, which would not ask the one of this host.
  const resolving = [
    'server:',
    '  do-not-query-localhost: no',
    '  local-zone: "test." nodefault',
    'forward-zone:',
    '  name: "."',
    '  forward-addr: 127.0.0.1',
  ]
  writeFileSync(resolver, `${resolving.join('\n')}\n`)
  const settings = [
    'Mode v',
    `Socket inet:${port}@127.0.0.1`,
    `AuthservID ${hostname}`,
    'AlwaysAddARHeader yes',
    'Background no',
    'UserID opendkim',
    `ResolverConfiguration ${resolver}`,
  ]
  writeFileSync(config, `${settings.join('\n')}\n`)
  for (const file of [config, resolver]) chmodSync(file, 0o644)
  return startProgram('opendkim', { args: ['-f', '-x', config], log: join(dir, 'opendkim.log'), at: { host: '127.0.0.1', port } })
}
