/** Sent copies and undo-send as programs meet them: one message in Sent, whoever writes it there, and what is moved away in time is not sent. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ImapFlow } from 'imapflow'
import { generateAppPassword, hashAppPassword } from '../../../src/auth/app-password.ts'
import { hashPassword } from '../../../src/auth/password.ts'
import { testDatabase } from '../../support/postgres.ts'
import { missing, succeed } from '../../support/programs.ts'
import { postern, startServer, type TestServer } from '../../support/server.ts'
import { until } from '../outbound/house.ts'

const PASSWORD = 'sent secret'
const dir = mkdtempSync(join(tmpdir(), 'postern-sent-'))
/** By name: what the mailbox, and an app password of it, say. */
const phone = generateAppPassword()
let server: TestServer
let database: Awaited<ReturnType<typeof testDatabase>>
let ca: string
before(async () => {
  database = await testDatabase()
  const password_hash = await hashPassword(PASSWORD)
  const mailbox = (name: string, submission?: object, app?: object) => ({
    ...{ address: `${name}@example.test`, password_hash, ...(submission && { submission }) },
    ...(app && { app_passwords: [{ name: 'phone', hash: hashAppPassword(phone), submission: app }] }),
  })
  const config = {
    ...{ hostname: 'localhost', domains: ['example.test'], log: { level: 'warn' }, limits: { exempt: ['127.0.0.1', '::1'] } },
    mailboxes: [
      mailbox('copies', { sent_copy: true }),
      mailbox('plain'),
      mailbox('phone', undefined, { sent_copy: true }),
      mailbox('undo', { sent_copy: true, undo_send: '10 min' }),
      mailbox('slow', { undo_send: '2 s' }),
      mailbox('mutt', { sent_copy: true }),
      mailbox('reader'),
      { ...mailbox('away'), forward: { to: ['away@elsewhere.test'], keep: true } },
    ],
    lists: [{ address: 'team@example.test', members: ['plain@example.test', 'team@elsewhere.test'] }],
    // Nobody is to be asked for names.
    dns: { servers: ['127.0.0.1:1'] },
  }
  server = await startServer({ config: JSON.stringify(config), env: { DATABASE_URL: database.url } })
  ca = server.endpoints.ca
})
after(async () => {
  await server?.close()
  await database?.close()
  rmSync(dir, { recursive: true, force: true })
})

async function imap<T>(user: string, what: (client: ImapFlow) => Promise<T>): Promise<T> {
  const client = new ImapFlow({
    ...{ host: 'localhost', port: server.port('imaps'), secure: true, logger: false },
    ...{ auth: { user: `${user}@example.test`, pass: PASSWORD }, tls: { ca: readFileSync(ca) } },
  })
  await client.connect()
  try {
    return await what(client)
  } finally {
    await client.logout()
  }
}

interface Shown {
  readonly uid: number
  readonly flags: readonly string[]
  readonly source: string
}

const shown = (user: string, mailbox = 'Sent'): Promise<Shown[]> =>
  imap(user, async (client) => {
    await client.mailboxOpen(mailbox)
    const all: Shown[] = []
    for await (const { uid, flags, source } of client.mailbox && client.mailbox.exists > 0 ? client.fetch('1:*', { flags: true, source: true }) : [])
      all.push({ uid, flags: [...flags!].filter((flag) => flag !== '\\Recent').sort(), source: source!.toString('latin1') })
    return all
  })

function msmtp(user: string, text: string, to: readonly string[], password = PASSWORD): Promise<unknown> {
  const how = ['--file=/dev/null', '--host=localhost', `--port=${server.port('submission')}`, '--tls=on', `--tls-trust-file=${ca}`]
  const who = [
    `--from=${user}@example.test`,
    '--auth=plain',
    `--user=${user}@example.test`,
    `--passwordeval=echo ${password}`,
    '--set-date-header=off',
  ]
  return succeed('msmtp', [...how, ...who, '--set-msgid-header=off', '--remove-bcc-headers=off', '--', ...to], { input: text })
}

let ids = 0
function message(user: string, { bcc = '', body = 'text', id = `${++ids}@sent.test` } = {}): { text: string; id: string } {
  const head = [`Message-ID: <${id}>`, `Date: ${new Date().toUTCString()}`, `From: ${user}@example.test`, 'To: reader@example.test', `Subject: ${id}`]
  return { id, text: [...head, ...(bcc ? [`Bcc: ${bcc}`] : []), '', body, ''].join('\r\n') }
}
const inbox = async (id: string): Promise<Shown[]> => (await shown('reader', 'INBOX')).filter(({ source }) => source.includes(`Subject: ${id}`))
const queued = async (): Promise<string> => (await postern(['queue', 'list', '--data', server.dir], { env: { DATABASE_URL: database.url } })).out

test('the copy is what was written, with its Bcc and without our lines; a program that appends its own is given it', {
  skip: missing('msmtp'),
}, async () => {
  const { text, id } = message('copies', { bcc: 'plain@example.test' })
  await msmtp('copies', text, ['reader@example.test', 'plain@example.test'])
  const [copy, ...more] = await shown('copies')
  assert.deepEqual([copy!.source, copy!.flags, more], [text, ['\\Seen'], []])
  const [read] = await inbox(id)
  assert.match(read!.source, /^Return-Path: <copies@example\.test>\r\n(?:DKIM-Signature|Received): /)
  assert.doesNotMatch(read!.source, /^Bcc:/m)
  await imap('copies', async (client) => {
    await client.mailboxOpen('Sent')
    for (const flags of [['\\Seen'], ['\\Flagged', '$Forwarded']]) {
      const appended = await client.append('Sent', `X-Mozilla-Status: 0001\r\n${text}`, flags)
      assert.equal(appended ? appended.uid : undefined, copy!.uid)
    }
    const other = await client.append('Sent', text.replace('text', 'TEXT'), ['\\Seen'])
    assert.equal(other ? other.uid : undefined, copy!.uid + 1)
  })
  const after = await shown('copies')
  assert.deepEqual(
    after.map(({ uid, flags }) => [uid, ...flags]),
    [
      [copy!.uid, '$Forwarded', '\\Flagged', '\\Seen'],
      [copy!.uid + 1, '\\Seen'],
    ],
  )
  await msmtp('copies', text, ['reader@example.test'])
  assert.equal((await shown('copies')).length, 2, 'sent once more, it is the same message')
})

test('who wrote nothing of a Bcc is told whom the envelope had besides', { skip: missing('swaks') }, async () => {
  const { text, id } = message('copies')
  writeFileSync(join(dir, 'blind.eml'), text)
  const [host, login] = [
    ['--server', 'localhost', '--port', `${server.port('submissions')}`, '--tls-on-connect'],
    ['--auth-user', 'copies@example.test'],
  ]
  await succeed('swaks', [
    ...[...host, '--auth', 'PLAIN', ...login, '--auth-password', PASSWORD, '--from', 'copies@example.test', '--suppress-data'],
    ...['--to', 'Reader@Example.test,plain@example.test,slow@example.test', '--data', `@${join(dir, 'blind.eml')}`],
  ])
  const copy = (await shown('copies')).find(({ source }) => source.includes(`Subject: ${id}`))
  assert.ok(copy!.source.startsWith(`Bcc: plain@example.test,\r\n slow@example.test\r\n${text}`), copy!.source)
  for (const user of ['reader', 'plain', 'slow'])
    assert.ok(
      (await shown(user, 'INBOX')).every(({ source }) => !/^Bcc/m.test(source)),
      user,
    )
})

test('off without being asked for; of an app password for what is sent with it', { skip: missing('msmtp') }, async () => {
  await msmtp('plain', message('plain').text, ['reader@example.test'])
  const { text } = message('phone')
  await msmtp('phone', text, ['reader@example.test'])
  assert.deepEqual([await shown('plain'), await shown('phone')], [[], []])
  await imap('plain', async (client) => {
    for (let n = 0; n < 2; n++) assert.ok(await client.append('Sent', text))
  })
  await msmtp('phone', text, ['reader@example.test'], phone)
  assert.deepEqual([(await shown('plain')).length, (await shown('phone')).length], [2, 1])
})

test('curl sends without a Date and a Message-ID: the copy has those that everybody is given', { skip: missing('curl') }, async () => {
  writeFileSync(join(dir, 'bare.eml'), 'From: copies@example.test\r\nTo: reader@example.test\r\nSubject: bare\r\n\r\nbare\r\n')
  const url = `smtps://localhost:${server.port('submissions')}`
  const envelope = ['--mail-from', 'copies@example.test', '--mail-rcpt', 'reader@example.test', '--upload-file', join(dir, 'bare.eml')]
  await succeed('curl', ['-sS', '--cacert', ca, '--user', `copies@example.test:${PASSWORD}`, '--url', url, ...envelope])
  const copy = (await shown('copies')).find(({ source }) => source.includes('Subject: bare'))
  const [read] = await inbox('bare')
  const idOf = (one: Shown | undefined) => /^Message-ID: .*$/m.exec(one!.source)![0]
  assert.equal(idOf(copy), idOf(read))
  assert.match(copy!.source, /^Date: .*\r\nMessage-ID: .*\r\nFrom: copies@example\.test\r\n/)
})

test('neomutt sends and records: one message, with its Bcc', { skip: missing('neomutt') }, async () => {
  const home = join(dir, 'mutt')
  mkdirSync(home)
  const lines = [
    `set imap_user="mutt@example.test" imap_pass="${PASSWORD}" smtp_pass="${PASSWORD}" from="mutt@example.test" realname="" hostname="mutt.test"`,
    `set folder="imaps://localhost:${server.port('imaps')}/" spoolfile="+INBOX" record="+Sent" copy=yes write_bcc=no`,
    `set smtp_url="smtps://mutt@example.test@localhost:${server.port('submissions')}/" ssl_force_tls=yes certificate_file="${ca}" ssl_ca_certificates_file="${ca}"`,
  ]
  writeFileSync(join(dir, 'muttrc'), lines.join('\n'), { mode: 0o600 })
  const args = [
    '-n',
    '-F',
    join(dir, 'muttrc'),
    '-s',
    'by neomutt',
    '-b',
    'plain@example.test',
    '-a',
    join(dir, 'bare.eml'),
    '--',
    'reader@example.test',
  ]
  writeFileSync(join(dir, 'bare.eml'), 'attached\n')
  await succeed('neomutt', args, { input: 'hello\n', env: { ...process.env, HOME: home, TERM: 'dumb' } })
  const [copy, ...more] = await shown('mutt')
  assert.deepEqual([more, copy!.flags], [[], ['\\Seen']])
  assert.match(copy!.source, /^Bcc: plain@example\.test\r\n/m)
  assert.equal((await inbox('by neomutt')).length, 1)
})

test('undo-send: moved to Drafts, moved to Trash or deleted, it is not sent; to elsewhere and to people here', {
  skip: missing('msmtp'),
}, async () => {
  for (const how of ['Drafts', 'Trash', 'delete'] as const) {
    const { text, id } = message('undo')
    await msmtp('undo', text, ['reader@example.test', 'friend@elsewhere.test'])
    const waiting = await queued()
    for (const to of ['reader@example.test', 'friend@elsewhere.test']) assert.ok(waiting.includes(`\twaiting\t${to}\theld until 20`), waiting)
    await imap('undo', async (client) => {
      await client.mailboxOpen('Sent')
      const [uid] = (await client.search({ subject: id }, { uid: true })) || []
      // The program's own copy comes before the user is sorry.
      const appended = await client.append('Sent', text, ['\\Seen'])
      assert.equal(appended ? appended.uid : undefined, uid)
      await (how === 'delete' ? client.messageDelete(`${uid}`, { uid: true }) : client.messageMove(`${uid}`, how, { uid: true }))
    })
    assert.equal(await queued(), '0 recipients, 0 messages\n', how)
    assert.deepEqual(await inbox(id), [])
    if (how !== 'delete') assert.ok((await shown('undo', how)).some(({ source }) => source === `Bcc: friend@elsewhere.test\r\n${text}`))
  }
})

test('undo-send: what is forwarded and what goes to a list waits, and is taken back with the rest', { skip: missing('msmtp') }, async () => {
  const { text, id } = message('undo')
  await msmtp('undo', text, ['away@example.test', 'team@example.test', 'reader@example.test'])
  const waiting = await queued()
  // Where they lead is looked up when it goes.
  for (const one of ['away@example.test', 'team@example.test', 'reader@example.test'])
    assert.ok(waiting.includes(`\twaiting\t${one}\theld until 20`), waiting)
  assert.match(waiting, /^3 recipients, 1 message$/m)
  await imap('undo', async (client) => {
    await client.mailboxOpen('Sent')
    const [uid] = (await client.search({ subject: id }, { uid: true })) || []
    await client.messageMove(`${uid}`, 'Drafts', { uid: true })
  })
  assert.equal(await queued(), '0 recipients, 0 messages\n')
})

test('undo-send: moved elsewhere it is sent all the same; let go by hand it goes at once, and its copy is only moved', {
  skip: missing('msmtp'),
}, async () => {
  const { text, id } = message('undo')
  await msmtp('undo', text, ['reader@example.test'])
  const move = (to: string) =>
    imap('undo', async (client) => {
      await client.mailboxOpen('Sent')
      await client.messageMove('1:*', to)
    })
  await move('Archive')
  assert.match(await queued(), /^1 recipient, 1 message$/m)
  await postern(['queue', 'retry', '--all', '--data', server.dir], { env: { DATABASE_URL: database.url } })
  await until('it has come', async () => (await inbox(id)).length === 1)
  await move('Trash').catch(() => {})
  assert.equal((await inbox(id)).length, 1)
})

test('undo-send without a copy: it waits, and then comes', { skip: missing('msmtp') }, async () => {
  const { text, id } = message('slow')
  await msmtp('slow', text, ['reader@example.test'])
  assert.deepEqual([await inbox(id), await shown('slow')], [[], []])
  assert.match(await queued(), /held until/)
  await until('it has come', async () => (await inbox(id)).length === 1)
})
