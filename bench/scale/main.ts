/**
 * `npm run bench:scale`: measures what one operation costs here, and reckons from that what a number of mailboxes needs; then lets the plan run through a simulation
 * with a host that dies. `--quick` measures a tenth of everything, for a look. `--seed N` chooses other arrivals.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine } from '../machine.ts'
import type { User } from '../peer.ts'
import { type Costs, measureCosts, OPERATIONS } from './measure.ts'
import { BACK_WITHIN, FULL, HOST, OFFICE, type Profile, SHARD, WAIT_P99 } from './profile.ts'
import { diskOf, load, plan, rates, type Site, simulate } from './simulate.ts'
import { startSubject } from './subject.ts'

const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false }, seed: { type: 'string', default: '1' } } })
const FRESH = options.quick ? 12 : 120
const users: User[] = Array.from({ length: 16 + FRESH }, (_, i) => ({ address: `user${i}@example.org`, password: 'bench-secret' }))
const amounts = options.quick
  ? { small: 800, large: 40, logins: 50, commands: 300, sessions: 50 }
  : { small: 4000, large: 200, logins: 300, commands: 3000, sessions: 800 }
const POPULATIONS = [50, 1_000, 10_000, 100_000, 1_000_000]
const say = (text: string): void => void process.stderr.write(`${text}\n`)
const out = (text: string): void => void process.stdout.write(`${text}\n`)

const dir = mkdtempSync(join(tmpdir(), 'postern-scale-'))
chmodSync(dir, 0o755)
try {
  const subject = await startSubject(dir, users)
  const costs = await measureCosts(subject, amounts, say).finally(() => subject.stop())
  report(costs, OFFICE)
} finally {
  rmSync(dir, { recursive: true, force: true })
}

function report(costs: Costs, profile: Profile): void {
  const kib = (octets: number): string => `${(octets / 1024).toFixed(1)} KiB`
  out(`${new Date().toISOString().slice(0, 10)}, ${machine()}\n`)
  out('| operation | CPU of Postern, ms | CPU of Postgres, ms | log |\n| --- | ---: | ---: | ---: |')
  for (const op of OPERATIONS) {
    const { postern, postgres, wal } = costs.operations[op]
    out(`| ${op} | ${postern.toFixed(3)} | ${postgres.toFixed(3)} | ${kib(wal)} |`)
  }
  out(
    `\nidle IMAP session: ${kib(costs.sessionOctets)}; one process: ${(costs.processOctets / 2 ** 20).toFixed(0)} MiB; on disk: ${kib(costs.smallOctets)} a small message, ${kib(costs.largeOctets)} a large one\n`,
  )
  out(
    '| mailboxes | sessions | mails/s | hosts | busy, one down | shards | busy | log MiB/s | disk | wait p50 / p99 ms | back in s | holds |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |',
  )
  for (const mailboxes of POPULATIONS) out(row(settled(mailboxes, profile, costs), profile, costs))
}

/** The arithmetic's plan, with hosts added until the simulation holds too. */
function settled(mailboxes: number, profile: Profile, costs: Costs): Site {
  let site = plan(mailboxes, profile, costs, { host: HOST, shard: SHARD })
  for (let tries = 0; tries < 20 && !holds(site, profile, costs); tries++)
    site = { ...site, hosts: site.hosts + Math.max(1, Math.round(site.hosts / 10)) }
  return site
}

function holds(site: Site, profile: Profile, costs: Costs): boolean {
  const { p99, back } = simulate(site, profile, costs, Number(options.seed))
  return p99 <= WAIT_P99 && back <= BACK_WITHIN
}

function row(site: Site, profile: Profile, costs: Costs): string {
  const perSecond = rates(site.mailboxes, profile)
  const busy = load(site, profile, costs, site.hosts > 1 ? 1 : 0)
  const { p50, p99, back } = simulate(site, profile, costs, Number(options.seed))
  const wal = OPERATIONS.reduce((sum, op) => sum + perSecond[op] * costs.operations[op].wal, 0) / 2 ** 20
  const percent = (share: number): string => `${Math.round(share * 100)} %`
  const ok = busy.host <= FULL && busy.shard <= FULL && holds(site, profile, costs)
  return `| ${[
    site.mailboxes.toLocaleString('en'),
    Math.round(site.mailboxes * profile.sessions).toLocaleString('en'),
    (perSecond.deliverSmall + perSecond.deliverLarge).toFixed(1),
    site.hosts,
    percent(busy.host),
    site.shards,
    percent(busy.shard),
    wal.toFixed(1),
    `${(diskOf(site.mailboxes, profile, costs) / 2 ** 40).toFixed(2)} TiB`,
    `${p50.toFixed(1)} / ${p99.toFixed(1)}`,
    back.toFixed(0),
    ok ? 'yes' : 'no',
  ].join(' | ')} |`
}
