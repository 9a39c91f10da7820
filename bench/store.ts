/**
 * The store alone, without protocols: `node bench/store.ts [--messages 10000] [--dir DIR]`. Prints one line per verb. For finding what is slow
 * (`node --cpu-prof bench/store.ts --only contents`), not for comparing with others: that is main.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { silentLog } from '../src/log.ts'
import type { AccountAccess, MailboxAccess } from '../src/store/access.ts'
import type { ContentColumn, MailStore, StagedContent } from '../src/store/mailstore.ts'
import { createMemoryDrivers } from '../src/store/memory/index.ts'
import { startEmbedded } from '../src/store/pg/embedded.ts'
import { foldMailbox } from '../src/store/pg/fold.ts'
import { openStore } from '../src/store/pg/index.ts'
import { Pool } from '../src/store/pg/pool.ts'
import type { ContentId } from '../src/store/types.ts'
import { machine, median, syncLatency } from './machine.ts'
import { flagsOf, message } from './message.ts'

const { values } = parseArgs({
  options: { messages: { type: 'string', default: '10000' }, dir: { type: 'string', default: tmpdir() }, only: { type: 'string', default: '' } },
})
const N = Number(values.messages)
const ROUNDS = 5
const MAX_SIZE = 64 * 1024 * 1024
const ADDRESS = 'bench@example.org'
const wanted = (name: string): boolean => values.only === '' || name.startsWith(values.only)

const say = (name: string, figure: string): void => void process.stdout.write(`${name.padEnd(44)} ${figure}\n`)
const ms = (taken: number): string => `${taken.toFixed(1)} ms`

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** Median of ROUNDS after one run that does not count. `work` may resolve to the milliseconds that count of it. */
async function measure(name: string, work: (round: number) => Promise<unknown>): Promise<void> {
  if (!wanted(name)) return
  const taken: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const started = performance.now()
    const said = await work(round)
    if (round > 0) taken.push(typeof said === 'number' ? said : performance.now() - started)
  }
  say(name, `${ms(median(taken))}   (${taken.map((t) => t.toFixed(1)).join(' ')})`)
}

async function stage(store: MailStore, a: AccountAccess, bytes: Buffer): Promise<StagedContent> {
  const into = store.stage(a, MAX_SIZE)
  await into.write(bytes)
  return into.finish()
}

/** `count` messages appended one by one from so many writers at once. */
async function appendBy(store: MailStore, to: MailboxAccess, { writers, messages }: { writers: number; messages: readonly Buffer[] }): Promise<void> {
  const queue = messages.entries()
  await Promise.all(
    Array.from({ length: writers }, async () => {
      for (const [n, bytes] of queue)
        await store.append(to, [
          { content: await stage(store, to.by, bytes), flags: flagsOf(n).split(' ').filter(Boolean), internalDate: Date.now() },
        ])
    }),
  )
}

const watcher = { changed() {}, gone() {} }

const dir = mkdtempSync(join(values.dir, 'postern-bench-store-'))
const cluster = await startEmbedded({ dir, log: silentLog() })
const pool = new Pool({ connect: cluster.connect, max: 1, log: silentLog() })
const kept = createMemoryDrivers()
const main = await openStore({ connect: cluster.connect, drivers: kept, log: silentLog() })
const { store, accounts } = main
try {
  say('machine', machine())
  const probe = syncLatency(dir)
  say('write + fdatasync 8 KB', `${probe.median} us (worst ${probe.worst})`)
  await accounts.reconcile({
    domains: ['example.org'],
    accounts: [{ address: ADDRESS, aliases: [], passwordHash: '$argon2id$none' }],
  })
  const a = accounts.grant((await accounts.login(ADDRESS))!)
  const mailbox = async (name: string): Promise<MailboxAccess> => {
    await store.create(a, name)
    return store.open(a, name, true)
  }
  const fold = async (m: MailboxAccess): Promise<void> => {
    while ((await foldMailbox(pool, m)) > 0);
  }
  const idsOf = async (m: MailboxAccess): Promise<ContentId[]> => {
    await using selected = await store.select(m, watcher)
    const ids: ContentId[] = []
    for (const { segment, from, to } of selected.view.spans('uid', [1, 2 ** 32 - 1]))
      for (let row = from; row < to; row++) ids.push(segment.contents[row] as ContentId)
    return ids
  }

  const mail = await mailbox('Mail')
  const filled = await timed(() => appendBy(store, mail, { writers: 16, messages: Array.from({ length: N }, (_, i) => message(i)) }))
  say(`append 5 KB x ${N}, 16 writers (filling)`, `${((N / filled) * 1000).toFixed(0)} msg/s`)
  for (const [writers, share] of [
    [1, 10],
    [16, 4],
  ] as const) {
    const count = Math.ceil(N / share)
    const name = `append 5 KB x ${count}, ${writers} writer${writers > 1 ? 's' : ''}`
    if (!wanted(name)) continue
    const rates: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const to = await mailbox(`Append ${writers} ${round}`)
      const messages = Array.from({ length: count }, (_, i) => message(N + i))
      rates.push((count / (await timed(() => appendBy(store, to, { writers, messages })))) * 1000)
    }
    say(name, `${median(rates).toFixed(0)} msg/s   (${rates.map((r) => r.toFixed(0)).join(' ')})`)
  }
  say(`fold of ${N} appends`, ms(await timed(() => fold(mail))))

  await measure(`flags of ${N}, alternately + and -`, (round) =>
    store.flags(mail, [1, 2 ** 32 - 1], { mode: round % 2 ? 'remove' : 'add', names: ['\\Answered'] }),
  )
  const copies: MailboxAccess[] = []
  for (let i = 0; i <= ROUNDS; i++) copies.push(await mailbox(`Copy ${i}`))
  await measure(`copy of ${N}`, (round) => store.copy(mail, [1, 2 ** 32 - 1], copies[round]!))
  if (wanted('fold of a copy')) say('fold of a copy', ms(await timed(() => fold(copies[0]!))))

  const large = await mailbox('Large')
  for (let i = 0; i < 10; i++) await store.copy(mail, [1, 2 ** 32 - 1], large)
  for (const state of ['log', 'rows', 'snapshot'] as const) {
    if (state === 'rows') await fold(large)
    await measure(`cold load of ${10 * N} from ${state === 'log' ? 'the log' : state}`, async () => {
      // A process of its own, as it were: nothing in memory, and the snapshot cache only where it is what is measured.
      const drivers = state === 'snapshot' ? kept : createMemoryDrivers()
      const cold = await openStore({ connect: cluster.connect, drivers, log: silentLog() })
      const m = await cold.store.open(a, 'Large', true)
      const taken = await timed(async () => (await cold.store.select(m, watcher)).close())
      await cold.close()
      if (drivers !== kept) await drivers.close()
      return taken
    })
  }

  const ids = await idsOf(mail)
  for (const want of [['envelope', 'bodystructure'], ['header'], ['header', 'body']] satisfies ContentColumn[][])
    await measure(`contents of ${N}: ${want.join(', ')}`, async () => {
      let bytes = 0
      for await (const row of store.contents(a, ids, want)) for (const column of want) bytes += row[column]?.length ?? 0
      if (bytes === 0) throw new Error('nothing was read')
    })
} finally {
  await main.close()
  await kept.close()
  await pool.close()
  await cluster.stop()
  rmSync(dir, { recursive: true, force: true })
}
