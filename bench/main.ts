/**
 * `npm run bench`: Postern beside Dovecot, one run, the same client, round by round A B A B. Prints what is done and ends with a table in Markdown.
 *   --rounds N   3 unless said   --quick   a tenth of everything, for a look   --only TEXT   workloads whose name has it   --dir DIR   where both keep their mail
 *   --profile    the server's --cpu-prof goes into DIR of the bench, which is kept
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { dovecotMissing, startDovecot } from './dovecot.ts'
import { fill, mailBytes } from './fill.ts'
import { ImapClient } from './imap-client.ts'
import { load, machine, syncLatency } from './machine.ts'
import type { Peer, User } from './peer.ts'
import { fillInbox, maildrops } from './pop3.ts'
import { startPostern } from './postern.ts'
import { type Result, ratio, type Sample, table } from './report.ts'
import { type Site, type Sizes, type Workload, workloads } from './workloads.ts'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    dir: { type: 'string', default: tmpdir() },
    profile: { type: 'boolean', default: false },
  },
})
/** Sixteen that get mail, and two maildrops. */
const USERS = 16 + 2
const users: User[] = Array.from({ length: USERS }, (_, i) => ({ address: `user${i}@example.org`, password: 'bench-secret' }))
const messages = options.quick ? 1_000 : 10_000
const sizes: Sizes = { messages, mailBytes: mailBytes(messages), single: options.quick ? 100 : 1000, many: options.quick ? 400 : 4000 }
const say = (text: string): void => void process.stderr.write(`${text}\n`)

async function measure(workload: Workload, site: Site): Promise<Sample> {
  const { peer } = site
  await workload.prepare?.(site)
  await peer.rest()
  const cpu = peer.cpu()
  const wal = await peer.wal()
  const run = await workload.run(site)
  const settle = workload.writes ? await peer.settle() : 0
  const sample = { ...run, cpu: peer.cpu() - cpu, wal: wal === undefined ? undefined : (await peer.wal())! - wal, settle }
  await workload.check?.(site)
  await workload.clean?.(site)
  return sample
}

async function runAll(ours: Site, theirs: Site): Promise<Result[]> {
  const wanted = workloads(sizes).filter((workload) => workload.name.includes(options.only))
  const results = wanted.map((workload) => ({ workload, ours: [] as Sample[], theirs: [] as Sample[] }))
  // The round before the first only warms: Dovecot's index cache, our JIT, the page cache of both.
  for (let round = 0; round <= Number(options.rounds); round++) {
    for (const result of results) {
      for (const [site, samples] of [
        [ours, result.ours],
        [theirs, result.theirs],
      ] as const) {
        const sample = await measure(result.workload, site)
        if (round > 0) samples.push(sample)
        say(`round ${round}  ${site.peer.name.padEnd(8)} ${result.workload.name.padEnd(50)} ${sample.figure.toFixed(1)} ${result.workload.unit}`)
      }
    }
  }
  return results
}

const missing = dovecotMissing()
if (missing) {
  process.stdout.write(`skipped: ${missing}\n`)
} else {
  const dir = mkdtempSync(join(options.dir, 'postern-bench-'))
  // Dovecot's mail belongs to another user, who must get through.
  chmodSync(dir, 0o755)
  const peers: Peer[] = []
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      for (const peer of peers) await peer.stop()
      if (options.profile) say(`profiles are in ${dir}`)
      else rmSync(dir, { recursive: true, force: true })
    })()
    return stopped
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop().then(() => process.exit(1)))
  try {
    const profile = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${dir}`] : []
    const ours = await startPostern(join(dir, 'postern'), users, { nodeFlags: profile })
    peers.push(ours)
    const theirs = await startDovecot(join(dir, 'dovecot'), users)
    peers.push(theirs)
    const loads = [load()]
    const before = syncLatency(dir)
    for (const peer of peers) {
      const started = performance.now()
      await fill(peer, messages)
      await fillInbox(peer, maildrops(peer).read, messages)
      say(`${peer.name} filled in ${((performance.now() - started) / 1000).toFixed(1)} s`)
    }
    const sites: Site[] = []
    for (const peer of peers) sites.push({ peer, sizes, client: await ImapClient.login(peer.imap, users[0]!) })
    const results = await runAll(sites[0]!, sites[1]!)
    const after = syncLatency(dir)
    loads.push(load())
    for (const { client } of sites) await client.close()
    const lines = [
      `${new Date().toISOString().slice(0, 10)}, ${machine()}; load ${loads.join(' to ')} (the bench itself included)`,
      `${ours.version} · ${theirs.version}`,
      `write + fdatasync of 8 KB: ${before.median} us before, ${after.median} us after (worst ${before.worst}, ${after.worst})`,
      `medians of ${options.rounds} interleaved rounds (lowest–highest); IMAP and POP3 over TLS 1.3; delivery: SMTP on our port 25 against Dovecot's LMTP, both without TLS`,
    ]
    process.stdout.write(`${lines.join('\n')}\n\n${table(results)}\n`)
    const slower = results.filter((result) => ratio(result) < 1)
    if (slower.length > 0) process.stdout.write(`\nslower than Dovecot: ${slower.map((result) => result.workload.name).join(' · ')}\n`)
  } finally {
    await stop()
  }
}
