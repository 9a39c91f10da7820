/** The DNS of the little world: Knot signs its one zone, and Unbound, which everybody here asks, validates it. Debian packages `knot` and `unbound`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from '../../support/programs.ts'
import { type Program, startProgram } from './programs.ts'

export const ZONE = 'world.test'
const KNOT_PORT = 5301

export interface WorldDns {
  /** One more resolver, on another port of 127.0.0.1, that knows `unanswered` to be a zone whose server says nothing, and `refused` one that has none. */
  resolver(port: number, zones: { readonly unanswered: { readonly zone: string; readonly port: number }; readonly refused: string }): Promise<Program>
  /** Other records from now on. */
  publish(records: readonly string[]): Promise<void>
  close(): Promise<void>
}

export async function startDns(dir: string, records: readonly string[]): Promise<WorldDns> {
  mkdirSync(join(dir, 'knot'), { recursive: true })
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
  let ds: string | undefined
  const close = async (): Promise<void> => {
    await unbound?.close()
    await knot.close()
  }
  try {
    const { out } = await succeed('keymgr', ['-c', config, ZONE, 'ds'])
    ds = out.split('\n').find((line) => / 13 2 /.test(line))
    unbound = await startUnbound(join(dir, 'unbound'), { port: 53, ds, stubs: [[ZONE, KNOT_PORT]] })
  } catch (err) {
    await close()
    throw err
  }
  return {
    async publish(lines) {
      write(lines)
      await succeed('knotc', ['-c', config, '-b', 'zone-reload', ZONE])
    },
    resolver: (port, { unanswered, refused }) =>
      startUnbound(join(dir, `unbound-${port}`), {
        ...{ port, ds },
        stubs: [
          [ZONE, KNOT_PORT],
          [unanswered.zone, unanswered.port],
          [refused, NOBODY],
        ],
      }),
    close,
  }
}

/** Nobody listens there. */
const NOBODY = 9

interface Resolver {
  readonly port: number
  readonly ds: string | undefined
  /** Zones, and where their servers are on 127.0.0.1. */
  readonly stubs: readonly (readonly [string, number])[]
}

function startUnbound(folder: string, { port, ds, stubs }: Resolver): Promise<Program> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'unbound.conf')
  writeFileSync(
    file,
    `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: "${folder}/pid"
  use-syslog: no
  interface: 127.0.0.1@${port}
  do-daemonize: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  local-zone: "_dmarc.test." static
  trust-anchor: "${ds}"
  cache-max-negative-ttl: 1
  cache-max-ttl: 1
remote-control:
  control-enable: no
${stubs.map(([zone, at]) => `stub-zone:\n  name: "${zone}"\n  stub-addr: 127.0.0.1@${at}\n`).join('')}`,
  )
  return startProgram('unbound', { args: ['-d', '-c', file], log: join(folder, 'log'), at: { host: '127.0.0.1', port } })
}
