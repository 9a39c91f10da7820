/** `postern backup` and `postern restore`: a server with mail, its backup, and the server that comes out of it. */
import assert from 'node:assert/strict'
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ImapFlow } from 'imapflow'
import { ArchiveWriter, readArchive } from '../../src/cli/backup/archive.ts'
import { collectFiles } from '../../src/cli/backup/files.ts'
import { FORMAT } from '../../src/cli/backup/manifest.ts'
import { loadConfig } from '../../src/config/load.ts'
import { words } from '../../src/serve/words.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { dataFolder, type Ended, postern, startServer, type TestServer } from '../support/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-backup-'))
const archive = join(folder, 'mail.tar.zst')
const MESSAGES = 12
const PASSWORD = 'correct horse'

let before_: TestDatabase
let after_: TestDatabase
let server: TestServer
let seen: Seen

/** What a mail program knows of INBOX. */
interface Seen {
  readonly uidvalidity: bigint
  readonly uidnext: number
  readonly messages: readonly { readonly uid: number; readonly flags: readonly string[]; readonly source: string }[]
}

async function inbox<T>(of: TestServer, use: (client: ImapFlow) => Promise<T>): Promise<T> {
  const client = new ImapFlow({
    ...{ host: 'localhost', port: of.port('imaps'), secure: true, logger: false, tls: { rejectUnauthorized: false } },
    auth: { user: 'ann@example.test', pass: PASSWORD },
  })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.mailboxOpen('INBOX')
    return await use(client)
  } finally {
    await client.logout().catch(() => {})
  }
}

const look = (of: TestServer): Promise<Seen> =>
  inbox(of, async (client) => {
    const messages: Seen['messages'][number][] = []
    for await (const { uid, flags, source } of client.fetch('1:*', { uid: true, flags: true, source: true }))
      messages.push({ uid, flags: [...(flags ?? [])].filter((flag) => flag !== '\\Recent').sort(), source: source?.toString('latin1') ?? '' })
    const { uidValidity, uidNext } = client.mailbox as { uidValidity: bigint; uidNext: number }
    return { uidvalidity: uidValidity, uidnext: uidNext, messages }
  })

test('every file that the config names beside it is taken, others are listed', () => {
  const dir = join(folder, 'named')
  mkdirSync(dir)
  const text = `hostname: mail.example.test
domains: [example.test]
relay: { host: r.example.test, user: u, password_file: relay }
outbound: { routes: [{ domains: [p.example.test], host: s.example.test, user: u, password_file: route, ca: ca.pem }] }
scan: { rspamd: { url: "http://127.0.0.1:11333", password_file: rspamd } }
tls: { acme: { agree_terms: true, ca: acme-ca.pem, external_account: { kid: k, hmac_file: hmac } } }
oidc: { issuer: "https://id.example.test", audience: mail, introspection: { client_id: c, client_secret_file: /run/oidc } }
`
  for (const [name, content] of Object.entries({
    'postern.yaml': text,
    relay: '1',
    route: '2',
    'ca.pem': '3',
    rspamd: '4',
    'acme-ca.pem': '5',
    hmac: '6',
  }))
    writeFileSync(join(dir, name), content)
  // A copy of what the database has is not taken.
  mkdirSync(join(dir, 'tls/acme'), { recursive: true })
  for (const file of ['tls/key.pem', 'tls/acme/key.pem']) writeFileSync(join(dir, file), '7')
  const { config } = loadConfig(join(dir, 'postern.yaml'), words)
  const { entries, elsewhere } = collectFiles(config, join(dir, 'postern.yaml'), dir)
  assert.deepEqual(
    entries.map(({ octets }) => octets.toString()),
    [text, '5', '6', '1', '2', '3', '4', '7'],
  )
  assert.deepEqual(elsewhere, ['/run/oidc'])
  rmSync(dir, { recursive: true })
})

const run = (verb: 'backup' | 'restore', file: string, dir: string, database?: TestDatabase): Promise<Ended> =>
  postern([verb, file, '--data', dir], { env: { DATABASE_URL: database?.url ?? '' } })

before(async () => {
  ;[before_, after_] = [await testDatabase(), await testDatabase()]
  server = await startServer({ env: { DATABASE_URL: before_.url }, args: ['--mailbox', 'ann@example.test'] })
  await postern(['mailbox', 'passwd', 'ann@example.test', '--password-stdin', '--data', server.dir], { input: `${PASSWORD}\n` })
  await inboxWithin()
  await inbox(server, async (client) => {
    for (let i = 0; i < MESSAGES; i++)
      await client.append('INBOX', `Subject: number ${i}\r\n\r\n${'x'.repeat(i * 40_000)}\r\n`, i % 2 ? ['\\Seen', 'work'] : [])
    await client.messageDelete('3')
    await client.messageFlagsAdd('5', ['\\Flagged'])
  })
  seen = await look(server)
  const { code, out, err } = await run('backup', archive, server.dir, before_)
  assert.equal(code, 0, err)
  assert.match(out, /octets of rows in \d+ tables, taken at one moment/)
})

/** The new password counts within two seconds. */
async function inboxWithin(): Promise<void> {
  for (const until = performance.now() + 5_000; ; )
    try {
      return await inbox(server, async () => {})
    } catch (err) {
      if (performance.now() > until) throw err
    }
}

after(async () => {
  await server?.close()
  await Promise.all([before_?.close(), after_?.close()])
  rmSync(folder, { recursive: true, force: true })
})

test('it is for its owner alone, whole, and a tar that others can list', () => {
  assert.equal(statSync(archive).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(folder), ['mail.tar.zst'])
})

test('a second backup does not replace the first', async () => {
  const { code, err } = await run('backup', archive, server.dir, before_)
  assert.equal(code, 1)
  assert.match(err, /there is already a file/)
})

test('what was lost after the backup is not given again: same mail, same UIDs and flags, later UIDs are new ones', async () => {
  // After the backup, and so lost: a mail program has seen these UIDs.
  const lost = await inbox(server, async (client) => {
    const uids: number[] = []
    for (let i = 0; i < 3; i++) uids.push(((await client.append('INBOX', 'Subject: lost\r\n\r\nlost\r\n')) as { uid: number }).uid)
    return uids
  })
  const dir = dataFolder()
  try {
    const { code, out, err } = await run('restore', archive, dir, after_)
    assert.equal(code, 0, err)
    assert.match(out, /Restored what was there at .*: 1 accounts, \d+ messages\./)
    assert.equal(readFileSync(join(dir, 'postern.yaml'), 'utf8'), readFileSync(join(server.dir, 'postern.yaml'), 'utf8'))
    assert.deepEqual(readFileSync(join(dir, 'tls/key.pem')), readFileSync(join(server.dir, 'tls/key.pem')))
    const restored = await startServer({ dir, env: { DATABASE_URL: after_.url } })
    try {
      const now = await look(restored)
      assert.deepEqual(now.messages, seen.messages)
      assert.equal(now.messages.length, MESSAGES - 1)
      assert.ok(now.uidvalidity > seen.uidvalidity, 'nobody knows how much was lost: mail programs begin anew')
      const { uid } = await inbox(restored, async (client) => (await client.append('INBOX', 'Subject: new\r\n\r\nnew\r\n')) as { uid: number })
      assert.ok(uid > Math.max(...lost) + 1_000, `UID ${uid} is new, ${lost} were lost`)
    } finally {
      await restored.close()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('a server that was moved, with nothing lost, is the same to a mail program', async () => {
  const [dir, database, file] = [dataFolder(), await testDatabase(), join(folder, 'moved.tar.zst')]
  try {
    const last = await look(server)
    assert.equal((await run('backup', file, server.dir, before_)).code, 0)
    const { code, err } = await postern(['restore', file, '--moved', '--data', dir], { env: { DATABASE_URL: database.url } })
    assert.equal(code, 0, err)
    const moved = await startServer({ dir, env: { DATABASE_URL: database.url } })
    try {
      assert.deepEqual(await look(moved), last)
    } finally {
      await moved.close()
    }
  } finally {
    await database.close()
    rmSync(dir, { recursive: true, force: true })
  }
})

test('a database with mail in it is refused, and is as it was', async () => {
  const dir = dataFolder()
  try {
    const { code, err } = await run('restore', archive, dir, before_)
    assert.equal(code, 1)
    assert.match(err, /the database has mailboxes already/)
    assert.equal(existsSync(join(dir, 'postern.yaml')), false)
    assert.equal((await look(server)).messages.length, MESSAGES - 1 + 3)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('a backup that is cut off, altered, or something else, is refused and leaves nothing', async () => {
  const whole = readFileSync(archive)
  const altered = Buffer.from(whole)
  altered[Math.floor(whole.length / 2)]! ^= 1
  const bad: [string, Buffer][] = [
    ['cut', whole.subarray(0, whole.length - 100)],
    ['half', whole.subarray(0, whole.length / 2)],
    ['altered', altered],
    ['other', Buffer.from('this is no backup')],
    ['empty', Buffer.alloc(0)],
    ['climbing', await climbing()],
  ]
  const database = await testDatabase()
  const dir = dataFolder()
  try {
    for (const [name, octets] of bad) {
      const file = join(folder, `${name}.tar.zst`)
      writeFileSync(file, octets)
      const { code, err } = await run('restore', file, dir, database)
      assert.equal(code, 1, name)
      assert.match(err, /^postern: .*backup.*\n$/, name)
      assert.deepEqual(
        readdirSync(dir).filter((left) => left !== 'postgres'),
        [],
        name,
      )
    }
    // What they left in the database is nothing.
    assert.equal((await run('restore', archive, dir, database)).code, 0)
  } finally {
    await database.close()
    rmSync(dir, { recursive: true, force: true })
  }
})

/** A file that wants to be written outside of the data folder. */
async function climbing(): Promise<Buffer> {
  const file = join(folder, 'made.tar.zst')
  const writer = new ArchiveWriter(createWriteStream(file))
  const manifest = { format: FORMAT, postern: '0', at: '', server: '', migrations: ['0001_init.sql'], tables: [] }
  await writer.add({ path: 'backup.json', mode: 0o600, octets: Buffer.from(JSON.stringify(manifest)) })
  await writer.add({ path: 'config/beside/../../../escaped', mode: 0o600, octets: Buffer.from('x') })
  await writer.finish()
  return readFileSync(file)
}

test('entries come back as they went in', async () => {
  const file = join(folder, 'entries.tar.zst')
  const writer = new ArchiveWriter(createWriteStream(file))
  const entries = [0, 1, 511, 512, 513, 1_000_000].map((size) => ({ path: `rows/t/${size}`, mode: 0o600, octets: Buffer.alloc(size, size % 251) }))
  for (const entry of entries) await writer.add(entry)
  await writer.finish()
  const read = []
  for await (const { path, mode, octets } of readArchive(createReadStream(file))) read.push({ path, mode, octets: Buffer.from(octets) })
  assert.deepEqual(read, entries)
})

test('the embedded Postgres, stopped: backed up and restored', async () => {
  const [from, to] = [dataFolder(), dataFolder()]
  const file = join(folder, 'embedded.tar.zst')
  try {
    const first = await startServer({ dir: from, args: ['--mailbox', 'ann@example.test'] })
    await first.stop()
    const made = await run('backup', file, from)
    assert.equal(made.code, 0, made.err)
    const { code, out, err } = await run('restore', file, to)
    assert.equal(code, 0, err)
    assert.match(out, /: 1 accounts, 0 messages\./)
    // The folder is whole and free.
    const second = await startServer({ dir: to })
    assert.equal(await second.stop(), 0)
  } finally {
    for (const dir of [from, to]) rmSync(dir, { recursive: true, force: true })
  }
})
