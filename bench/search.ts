/**
 * Searches of texts: `node bench/search.ts [--messages 50000] [--small 50] [--trigrams] [--dir DIR]`. What the index costs to make and to keep, and what it leaves to be read.
 * `--trigrams`: beside it the obvious other way, a copy of all texts under a GIN index of pg_trgm.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { bodyHas, textHas } from '../src/imap/search/body-keys.ts'
import { SearchGate } from '../src/imap/search/gate.ts'
import { fieldHas } from '../src/imap/search/header-keys.ts'
import { runSearch } from '../src/imap/search/run.ts'
import { Selected } from '../src/imap/selected.ts'
import { Work } from '../src/imap/work.ts'
import { silentLog } from '../src/log.ts'
import { canonical } from '../src/mail/canonical.ts'
import { unpackParts } from '../src/mail/parts.ts'
import { TextCollector } from '../src/mail/text.ts'
import type { AccountAccess } from '../src/store/access.ts'
import type { MailStore, TextProbe } from '../src/store/mailstore.ts'
import { createMemoryDrivers } from '../src/store/memory/index.ts'
import { startEmbedded } from '../src/store/pg/embedded.ts'
import { openStore } from '../src/store/pg/index.ts'
import { Pool } from '../src/store/pg/pool.ts'
import { indexAccount } from '../src/store/pg/text-index.ts'
import type { ContentId } from '../src/store/types.ts'
import { machine, median } from './machine.ts'
import { letter, PLANTED } from './prose.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '50000' },
    small: { type: 'string', default: '50' },
    trigrams: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
  },
})
const N = Number(values.messages)
/** Accounts beside the large one, and what each has. */
const SMALL = Number(values.small)
const SMALL_MESSAGES = 400
const ROUNDS = 3
const TEXTS: readonly (readonly [string, TextProbe['place'], string])[] = [
  ['rare word', 'body', PLANTED],
  ['word that is nowhere', 'body', 'quixotry'],
  ['word of some', 'body', 'nestled'],
  ['word of many', 'body', 'package'],
  ['phrase', 'body', 'without limitation the'],
  ['three letters', 'body', 'jwt'],
  ['in nearly all', 'body', 'the'],
  ['two letters', 'body', 'qx'],
  ['in the header', 'header', 'xenia.tanaka@'],
  ['FROM', { field: 'from' }, 'xenia tanaka'],
  ['SUBJECT', { field: 'subject' }, 'deprecated'],
]

const say = (name: string, figure: string): void => void process.stdout.write(`${name.padEnd(44)} ${figure}\n`)
const mb = (octets: number): string => `${(octets / 1e6).toFixed(1)} MB`
async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const started = performance.now()
  const result = await work()
  return [performance.now() - started, result]
}

async function fill(store: MailStore, a: AccountAccess, from: number, count: number): Promise<ContentId[]> {
  const inbox = await store.open(a, 'INBOX', true)
  const ids: ContentId[] = []
  for (let at = from; at < from + count; at += 100) {
    const contents = []
    for (let n = at; n < Math.min(at + 100, from + count); n++) {
      const stage = store.stage(a, 64 * 1024 * 1024)
      await stage.write(letter(n))
      contents.push(await stage.finish())
    }
    await store.append(
      inbox,
      contents.map((content) => ({ content, flags: [], internalDate: 0 })),
    )
    ids.push(...contents.map(({ id }) => id))
  }
  return ids
}

/** Texts of those contents, as a search reads them. */
async function* textsOf(
  store: MailStore,
  a: AccountAccess,
  ids: readonly ContentId[],
): AsyncGenerator<{ id: ContentId; header: string; body: string }> {
  for await (const row of store.contents(a, ids, ['header', 'parts', 'body'])) {
    const collector = new TextCollector(unpackParts(row.parts!))
    collector.write(row.header!)
    collector.write(row.body!)
    const { header, body } = collector.end()
    yield { id: row.id, header: canonical(header), body: canonical(body) }
  }
}

const dir = mkdtempSync(join(values.dir, 'postern-bench-search-'))
const cluster = await startEmbedded({ dir, log: silentLog() })
const pool = new Pool({ connect: cluster.connect, max: 2, log: silentLog() })
const drivers = createMemoryDrivers()
const main = await openStore({ connect: cluster.connect, drivers, log: silentLog(), background: false })
const sql = new pg.Client(cluster.connect as pg.ClientConfig)
await sql.connect()
const sizeOf = async (...tables: string[]): Promise<number> => {
  let sum = 0
  for (const table of tables) {
    const { rows } = await sql.query<{ size: string }>('select pg_total_relation_size($1::regclass) as size', [table])
    sum += Number(rows[0]!.size)
  }
  return sum
}
const { store, accounts } = main

try {
  say('machine', machine())
  const address = (n: number) => `a${n}@example.org`
  await accounts.reconcile({
    domains: ['example.org'],
    accounts: Array.from({ length: SMALL + 1 }, (_, n) => ({
      address: address(n),
      aliases: [],
      passwordHash: '$argon2id$none',
    })),
  })
  const grant = async (n: number) => accounts.grant((await accounts.login(address(n)))!)
  const large = await grant(0)
  const small = await grant(SMALL)
  const [filling, ids] = await timed(() => fill(store, large, 0, N))
  const others: ContentId[][] = []
  for (let n = 1; n <= SMALL; n++) others.push(await fill(store, await grant(n), N + n * SMALL_MESSAGES, SMALL_MESSAGES))
  const all = N + SMALL * SMALL_MESSAGES
  await sql.query('vacuum analyze content')
  const mail = await sizeOf('content', 'content_chunk')
  say(
    `filling: ${N} messages and ${SMALL} x ${SMALL_MESSAGES}`,
    `${(filling / 1000).toFixed(0)} s; ${mb(mail)} stored, ${(mail / all).toFixed(0)} octets a message`,
  )

  await whole(true)
  await blocks()
  await whole(false)
  if (values.trigrams) await trigrams()

  /** Searches of the large account's INBOX from end to end. `blind`: nothing is indexed yet. */
  async function whole(blind: boolean): Promise<void> {
    const keys = [
      [`BODY ${PLANTED}`, bodyHas(PLANTED)],
      [`TEXT ${PLANTED}`, textHas(PLANTED)],
      ['BODY package', bodyHas('package')],
      ['FROM "xenia tanaka"', fieldHas('from', 'xenia tanaka')],
      ['SUBJECT deprecated', fieldHas('subject', 'deprecated')],
    ] as const
    await using mailbox = await store.select(await store.open(large, 'INBOX', false), { changed() {}, gone() {} })
    for (const [name, key] of keys) {
      const taken: number[] = []
      let found = 0
      for (let round = 0; round < ROUNDS; round++) {
        const work = new Work({ output: { flush: async () => {} }, ending: new AbortController().signal })
        const [ms, { uids }] = await timed(() => runSearch({ store, selected: new Selected('INBOX', mailbox), gate: new SearchGate(), work }, key))
        taken.push(ms)
        found = uids.length
      }
      say(`SEARCH ${name}, ${blind ? 'nothing' : 'all'} indexed`, `${median(taken).toFixed(1)} ms, ${found} found`)
    }
  }

  async function blocks(): Promise<void> {
    const cpu = process.cpuUsage()
    const [took] = await timed(async () => {
      for (let n = 0; n <= SMALL; n++) await indexAccount(pool, (await grant(n)).account, { stop: new AbortController().signal, rest: 0 })
    })
    const { user, system } = process.cpuUsage(cpu)
    const size = await sizeOf('text_block', 'text_slice', 'text_state')
    say(
      'blocks: made in',
      `${(took / 1000).toFixed(1)} s, ${((took * 1000) / all).toFixed(0)} us a message (${((user + system) / all).toFixed(0)} us of CPU here)`,
    )
    say('blocks: size', `${mb(size)}, ${(size / all).toFixed(0)} octets a message, ${((100 * size) / mail).toFixed(1)} % of the mail`)
    for (const [whose, a, asked] of [
      ['large', large, ids],
      ['small', small, others[SMALL - 1] ?? []],
    ] as const)
      for (const [name, place, text] of TEXTS) {
        const narrow: number[] = []
        let left: ContentId[] = []
        for (let round = 0; round < ROUNDS; round++) {
          const [ms, [may]] = await timed(() => store.narrow(a, asked, [{ place, text }]))
          narrow.push(ms)
          left = asked.filter((_, i) => may![i] === 1)
        }
        const [reading, hits] = await timed(async () => {
          let found = 0
          for await (const one of textsOf(store, a, left)) if (one[place === 'body' ? 'body' : 'header'].includes(text)) found++
          return found
        })
        say(
          `blocks, ${whose}: ${name}`,
          `${median(narrow).toFixed(1)} ms, leaves ${left.length} of ${asked.length} (${hits} hits), reading them ${reading.toFixed(0)} ms`,
        )
      }
  }

  async function trigrams(): Promise<void> {
    await sql.query('create extension pg_trgm; create extension btree_gin')
    await sql.query('create table copied (account_id bigint, content_id bigint, header text, body text, primary key (account_id, content_id))')
    await sql.query('create index copied_body on copied using gin (account_id, body gin_trgm_ops)')
    await sql.query('create index copied_header on copied using gin (account_id, header gin_trgm_ops)')
    const [took] = await timed(async () => {
      for (let n = 0; n <= SMALL; n++) {
        const a = await grant(n)
        let rows: { id: ContentId; header: string; body: string }[] = []
        const put = async () => {
          const texts = (column: 'header' | 'body') => rows.map((row) => row[column].replaceAll('\0', '\ufffd'))
          await sql.query('insert into copied select $1, * from unnest($2::int8[], $3::text[], $4::text[])', [
            a.account,
            rows.map(({ id }) => String(id)),
            texts('header'),
            texts('body'),
          ])
          rows = []
        }
        for await (const row of textsOf(store, a, n === 0 ? ids : others[n - 1]!)) if (rows.push(row) === 256) await put()
        await put()
      }
    })
    await sql.query('vacuum analyze copied')
    const { rows } = await sql.query<{ t: string; b: string; h: string }>(
      `select pg_table_size('copied') as t, pg_relation_size('copied_body') as b, pg_relation_size('copied_header') as h`,
    )
    const [texts, body, header] = [Number(rows[0]!.t), Number(rows[0]!.b), Number(rows[0]!.h)]
    say('trigrams: made in', `${(took / 1000).toFixed(1)} s, ${((took * 1000) / all).toFixed(0)} us a message`)
    say(
      'trigrams: size',
      `texts ${mb(texts)}, index of bodies ${mb(body)}, of headers ${mb(header)}: ${((100 * (texts + body + header)) / mail).toFixed(1)} % of the mail`,
    )
    for (const [whose, a] of [
      ['large', large],
      ['small', small],
    ] as const)
      for (const [name, place, text] of TEXTS) {
        const column = place === 'body' ? 'body' : 'header'
        const taken: number[] = []
        let found = 0
        for (let round = 0; round < ROUNDS; round++) {
          const [ms, result] = await timed(() =>
            sql.query(`select content_id from copied where account_id = $1 and ${column} like $2`, [a.account, `%${text}%`]),
          )
          taken.push(ms)
          found = result.rowCount ?? 0
        }
        say(`trigrams, ${whose}: ${name}`, `${median(taken).toFixed(1)} ms, ${found} found`)
      }
  }
} finally {
  await sql.end()
  await main.close()
  await drivers.close()
  await pool.close()
  await cluster.stop()
  rmSync(dir, { recursive: true, force: true })
}
