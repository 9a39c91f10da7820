/** A full disk: of the database, of its log, and nearly full where the database is our own. Nothing acknowledged is lost, reading goes on, nobody is restarted by hand. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cpSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { hashPassword } from '../../src/auth/password.ts'
import { silentLog } from '../../src/log.ts'
import { type EmbeddedPostgres, startEmbedded } from '../../src/store/pg/embedded.ts'
import { succeed } from '../support/programs.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { removeFolder, tempFolder } from '../support/temp.ts'
import { type Disk, mountDisk, noDisks } from './disk.ts'
import { Wire } from './kill-points.ts'

const skip = noDisks()
const MIB = 1024 * 1024
const PASSWORD = 'a password of tests'
const dir = tempFolder('disk')
const ends: (() => Promise<unknown> | unknown)[] = [() => removeFolder(dir)]
after(async () => {
  for (const end of ends.reverse()) await end()
})

const config = async (): Promise<string> =>
  [
    'hostname: localhost',
    'domains: [example.test]',
    'log: { level: warn }',
    'mailboxes:',
    `  - { address: ann@example.test, password_hash: "${await hashPassword(PASSWORD)}" }`,
    '',
  ].join('\n')

const textOf = (name: string, octets: number): string => `Subject: ${name}\r\n\r\n${noise(octets)}\r\n.`

/** Sends one message; what the server said in the end. */
async function send(server: TestServer, text: string): Promise<string> {
  const wire = await Wire.open(server, 'mx')
  try {
    for (const line of ['EHLO c', 'MAIL FROM:<a@else.example>', 'RCPT TO:<ann@example.test>']) {
      const said = await wire.say(line, /^\d{3} /)
      if (!said.startsWith('250')) return said
    }
    await wire.say('DATA', /^\d{3} /)
    return await wire.say(text, /^\d{3} /)
  } finally {
    wire.close()
  }
}
/** Not to be compressed. */
const noise = (octets: number): string =>
  randomBytes(octets / 2)
    .toString('hex')
    .replaceAll(/.{76}/g, '$&\r\n')

async function imap(server: TestServer): Promise<Wire> {
  const wire = await Wire.open(server, 'imaps')
  assert.match(await wire.say(`a login ann@example.test "${PASSWORD}"`, /^a /), /^a OK/)
  assert.match(await wire.say('a select INBOX', /^a /), /^a OK/)
  return wire
}
async function append(wire: Wire, octets: number): Promise<string> {
  const text = `Subject: appended\r\n\r\n${noise(octets)}\r\n`
  const go = await wire.say(`a append INBOX {${text.length}}`, /^[+a] /)
  return go.startsWith('+') ? wire.say(text, /^a /) : go
}
/** Subjects of the inbox, sorted. */
async function subjects(wire: Wire): Promise<string[]> {
  await wire.say('a noop', /^a /)
  wire.send('a fetch 1:* envelope\r\n')
  const found: string[] = []
  for (let line = await wire.line(); !line.startsWith('a '); line = await wire.line()) found.push(/ENVELOPE \(\S+ "([^"]*)"/.exec(line)?.[1] ?? line)
  return found.sort()
}
/** Until it is true, or 20 s are over. */
async function soon(what: string, holds: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < until, what)
    await sleep(100)
  }
}

/** Messages until one is not taken: the names of those that were, the other one, and what was said to it. */
async function sendUntilRefused(
  server: TestServer,
  octets: number,
  most: number,
): Promise<{ taken: string[]; refused: string; text: string; said: string }> {
  const taken: string[] = []
  for (let i = 0; i < most; i++) {
    const name = `${octets}-${i}`
    const text = textOf(name, octets)
    const said = await send(server, text)
    if (!said.startsWith('250')) return { taken, refused: name, text, said }
    taken.push(name)
  }
  assert.fail(`all ${most} messages were taken`)
}

let database: EmbeddedPostgres
let data: Disk
let wal: Disk
let server: TestServer
const acknowledged: string[] = []
/** Errors that Postgres told of. */
const troubles: string[] = []

test('a Postgres of its own disk for data and one for the log', { skip }, async () => {
  data = mountDisk(join(dir, 'data'), 200)
  ends.push(() => data.unmount())
  wal = mountDisk(join(dir, 'wal'), 80)
  ends.push(() => wal.unmount())
  const folder = join(data.path, 'server')
  const first = await startEmbedded({ dir: folder, log: silentLog() })
  await first.stop()
  const inside = join(first.data, 'pg_wal')
  const outside = join(wal.path, 'pg_wal')
  cpSync(inside, outside, { recursive: true, preserveTimestamps: true })
  await succeed('chown', ['-R', `--reference=${first.data}`, outside])
  rmSync(inside, { recursive: true })
  symlinkSync(outside, inside)
  database = await startEmbedded({ dir: folder, log: pino({ level: 'error' }, { write: (line) => void troubles.push(line) }) })
  ends.push(() => database.stop())
  server = await startServer({ config: await config(), env: { DATABASE_URL: database.url } })
  ends.push(() => server.close())
  for (let i = 0; i < 5; i++) {
    assert.match(await send(server, textOf(`before-${i}`, 5_000)), /^250/)
    acknowledged.push(`before-${i}`)
  }
})

test('the disk of the data is full: 452, NO [UNAVAILABLE], reading goes on; room again: all go on', { skip }, async () => {
  const pop3 = await Wire.open(server, 'pop3s')
  for (const line of ['USER ann@example.test', `PASS ${PASSWORD}`, 'DELE 1']) assert.match(await pop3.say(line, /^[+-]/), /^\+OK/)
  data.fill(0)
  const { taken, said } = await sendUntilRefused(server, 60_000, 300)
  acknowledged.push(...taken)
  assert.match(said, /^452 4\.3\.1 No room/)
  const wire = await imap(server)
  assert.match(await append(wire, 60_000), /^a NO \[UNAVAILABLE\]/)
  assert.deepEqual(await subjects(wire), acknowledged.toSorted())
  // Small changes find room for a while.
  let stored = ''
  for (let i = 0; i < 400 && !stored.startsWith('a NO'); i++) stored = await wire.say(`a store 1 ${i % 2 ? '-' : '+'}flags.silent (\\Seen)`, /^a /)
  assert.match(stored, /^a NO \[UNAVAILABLE\]/)
  assert.match(await pop3.say('QUIT', /^[+-]/), /^-ERR \[SYS\/TEMP\]/)
  pop3.close()
  assert.deepEqual(await subjects(wire), acknowledged.toSorted())
  data.empty()
  assert.match(await append(wire, 60_000), /^a OK/)
  assert.match(await send(server, textOf('after', 60_000)), /^250/)
  acknowledged.push('after', 'appended')
  assert.deepEqual(await subjects(wire), acknowledged.toSorted())
  wire.close()
})

test('the disk of the log is full: Postgres ends itself, 451 meanwhile, it comes back by itself with room', { skip }, async () => {
  wal.fill(0)
  const { taken, refused, text, said } = await sendUntilRefused(server, MIB, 60)
  acknowledged.push(...taken, refused)
  assert.match(said, /^45[12] 4\.3\.[01] /)
  assert.ok(
    troubles.some((line) => line.includes('PANIC')),
    troubles.join(''),
  )
  wal.empty()
  // Whether it was written before the end nobody knows: the sender's retry of it is what counts.
  await soon('mail is taken again', async () => (await send(server, text)).startsWith('250'))
  const wire = await imap(server)
  assert.deepEqual(await subjects(wire), acknowledged.toSorted())
  wire.close()
})

test('the disk of our own Postgres is nearly full: no mail is taken, all else goes on; room again: it is', { skip }, async () => {
  const disk = mountDisk(join(dir, 'own'), 200)
  ends.push(() => disk.unmount())
  const own = await startServer({ dir: disk.path, config: await config() })
  ends.push(() => own.close())
  assert.match(await send(own, textOf('before', 5_000)), /^250/)
  const wire = await imap(own)
  const held = await Wire.open(own, 'submissions')
  const login = Buffer.from(`\0ann@example.test\0${PASSWORD}`).toString('base64')
  for (const line of ['EHLO c', `AUTH PLAIN ${login}`, 'MAIL FROM:<ann@example.test> HOLDFOR=3', 'RCPT TO:<ann@example.test>', 'DATA'])
    assert.match(await held.say(line, /^\d{3} /), /^[23]/)
  assert.match(await held.say(`From: ann@example.test\r\n${textOf('held', 5_000)}`, /^\d{3} /), /^250/)
  held.close()
  disk.fill(19 * MIB)
  await sleep(1_100)
  assert.match(await send(own, textOf('refused', 5_000)), /^452 4\.3\.1 No room/)
  assert.match(await append(wire, 5_000), /^a NO \[UNAVAILABLE\]/)
  assert.match(await wire.say('a store 1 +flags (\\Seen)', /^a /), /^a OK/)
  // What waited in the queue waits on.
  await sleep(4_000)
  assert.deepEqual(await subjects(wire), ['before'])
  assert.match(own.output, /the disk of the database is nearly full/)
  disk.empty()
  await sleep(1_100)
  assert.match(await send(own, textOf('after', 5_000)), /^250/)
  assert.match(await append(wire, 5_000), /^a OK/)
  assert.ok(readdirSync(disk.path).length > 0)
  wire.close()
})
