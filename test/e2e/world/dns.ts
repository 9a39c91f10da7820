/** The DNS of the little world: Knot signs its one zone, and Unbound, which everybody here asks, validates it. Debian packages `knot` and `unbound`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from '../../support/programs.ts'
import { type Program, startProgram } from './programs.ts'

export const ZONE = 'world.test'
const KNOT_PORT = 5301

export interface WorldDns {
  /** Other records from now on. */
  publish(records: readonly string[]): Promise<void>
  close(): Promise<void>
}

export async function startDns(dir: string, records: readonly string[]): Promise<WorldDns> {
  for (const folder of ['knot', 'unbound']) mkdirSync(join(dir, folder), { recursive: true })
  const zone = join(dir, 'knot/zone')
  const config = join(dir, 'knot/knot.conf')
  let serial = 1
  const write = (lines: readonly string[]): void =>
    writeFileSync(
      zone,
      [`$ORIGIN ${ZONE}.`, '$TTL 1', `@ SOA ns hostmaster ${serial++} 3600 600 86400 1`, '@ NS ns', 'ns A 127.0.0.1', ...lines, ''].join('\n'),
    )
  write(records)
  writeFileSync(
    config,
    `server:
  listen: 127.0.0.1@${KNOT_PORT}
  rundir: ${dir}/knot
  user: root
database:
  storage: ${dir}/knot
log:
  - target: stderr
    any: warning
policy:
  - id: here
    single-type-signing: on
    algorithm: ecdsap256sha256
zone:
  - domain: ${ZONE}
    file: ${zone}
    storage: ${dir}/knot
    dnssec-signing: on
    dnssec-policy: here
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
`,
  )
  const knot = await startProgram('knotd', { args: ['-c', config], log: join(dir, 'knot/log'), at: { host: '127.0.0.1', port: KNOT_PORT } })
  let unbound: Program | undefined
  const close = async (): Promise<void> => {
    await unbound?.close()
    await knot.close()
  }
  try {
    const { out } = await succeed('keymgr', ['-c', config, ZONE, 'ds'])
    const [ds] = out.split('\n').filter((line) => / 13 2 /.test(line))
    const file = join(dir, 'unbound/unbound.conf')
    writeFileSync(
      file,
      `server:
  directory: "${dir}/unbound"
  chroot: ""
  username: ""
  pidfile: "${dir}/unbound/pid"
  use-syslog: no
  interface: 127.0.0.1
  do-daemonize: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  trust-anchor: "${ds}"
  cache-max-negative-ttl: 1
  cache-max-ttl: 1
remote-control:
  control-enable: no
stub-zone:
  name: "${ZONE}"
  stub-addr: 127.0.0.1@${KNOT_PORT}
`,
    )
    unbound = await startProgram('unbound', { args: ['-d', '-c', file], log: join(dir, 'unbound/log'), at: { host: '127.0.0.1', port: 53 } })
  } catch (err) {
    await close()
    throw err
  }
  return {
    async publish(lines) {
      write(lines)
      await succeed('knotc', ['-c', config, '-b', 'zone-reload', ZONE])
    },
    close,
  }
}
