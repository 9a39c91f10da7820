/** A message goes in by every door and comes out by every other, with clients that we did not write. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { hardMails, pythonMails } from '../../support/corpus.ts'
import { addMailbox, npmStart } from '../../support/npm-start.ts'
import { missing, succeed } from '../../support/programs.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'

const dir = tempFolder('first-mail')
const server = await npmStart(join(dir, 'data'))
after(async () => {
  await server.stop()
  removeFolder(dir)
})
const { host, ca } = server.endpoints
const { address, password } = server.user
const domain = address.slice(address.indexOf('@') + 1)
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function python<T>(what: string, asked: Record<string, unknown>): Promise<T> {
  const ports = Object.fromEntries(server.endpoints.listeners.map(({ service, port }) => [service, port]))
  const input = JSON.stringify({ do: what, host, ca, user: address, password, ...ports, ...asked })
  const { out } = await succeed('python3', [new URL('clients.py', import.meta.url).pathname], { input, within: 200_000 })
  return JSON.parse(out) as T
}

interface Digest {
  readonly sha256: string
  readonly size: number
  readonly tail?: string
  readonly top?: string
}

// How each client is told where to connect and how: [service, client's way to TLS, logged in].
const DOORS = [
  ['mx', 'starttls', false],
  ['submission', 'starttls', true],
  ['submission', 'tls', true],
  ['submissions', 'tls', true],
] as const
type Door = (typeof DOORS)[number]

const SENDERS: Record<string, (door: Door, file: string) => Promise<unknown>> = {
  curl: ([service, tls, login], file) =>
    succeed('curl', [
      ...['-sS', '--cacert', ca, ...(tls === 'starttls' ? ['--ssl-reqd'] : []), ...(login ? ['--user', `${address}:${password}`] : [])],
      ...['--url', `${tls === 'tls' ? 'smtps' : 'smtp'}://${host}:${server.port(service)}`],
      ...['--mail-from', login ? address : 'a@sender.test', '--mail-rcpt', address, '--upload-file', file],
    ]),
  msmtp: ([service, tls, login], file) =>
    succeed(
      'msmtp',
      [
        ...[
          '--file=/dev/null',
          `--host=${host}`,
          `--port=${server.port(service)}`,
          '--tls=on',
          `--tls-starttls=${tls === 'starttls' ? 'on' : 'off'}`,
        ],
        ...[`--tls-trust-file=${ca}`, `--from=${login ? address : 'a@sender.test'}`],
        ...(login ? ['--auth=login', `--user=${address}`, `--passwordeval=echo ${password}`] : ['--auth=off']),
        ...['--', address],
      ],
      { input: readFileSync(file) },
    ),
  swaks: ([service, tls, login], file) =>
    succeed('swaks', [
      ...[
        '--server',
        host,
        '--port',
        `${server.port(service)}`,
        tls === 'starttls' ? '--tls' : '--tls-on-connect',
        '--tls-verify',
        '--tls-ca-path',
        ca,
      ],
      ...(login ? ['--auth', 'PLAIN', '--auth-user', address, '--auth-password', password] : []),
      ...['--from', login ? address : 'a@sender.test', '--to', address, '--data', `@${file}`, '--suppress-data'],
    ]),
}

for (const [client, send] of Object.entries(SENDERS))
  for (const door of DOORS)
    test(`${client} sends by ${door[0]}, ${door[1]}`, { skip: missing(client) }, async () => {
      const subject = `${client} ${door.join(' ')}`
      const file = join(dir, 'message.eml')
      writeFileSync(file, `From: <${door[2] ? address : 'a@sender.test'}>\r\nTo: <${address}>\r\nSubject: ${subject}\r\n\r\nby ${client}\r\n`)
      await send(door, file)
      const { out } = await succeed('curl', [
        '-sS',
        '--cacert',
        ca,
        '--user',
        `${address}:${password}`,
        '-X',
        'FETCH * (BODY.PEEK[HEADER.FIELDS (SUBJECT)])',
        '-v',
        `imaps://${host}:${server.port('imaps')}/INBOX`,
      ]).then((ran) => ({ out: ran.out + ran.err }))
      assert.match(out, new RegExp(`Subject: ${subject}`))
    })

test('curl reads by IMAP and POP3', async () => {
  const login = ['-sS', '--cacert', ca, '--user', `${address}:${password}`]
  const byImap = await succeed('curl', [...login, `imaps://${host}:${server.port('imaps')}/INBOX;MAILINDEX=1`])
  const byPop = await succeed('curl', [...login, `pop3s://${host}:${server.port('pop3s')}/1`])
  assert.match(byImap.out, /by (curl|msmtp|swaks)\r\n$/)
  assert.equal(byPop.out, byImap.out)
})

const MAILS = [...pythonMails(), ...hardMails(200 - pythonMails().length)]
const KINDS = { skip: missing('python3') || (pythonMails().length === 0 && 'not installed: libpython3.11-testsuite') }

test('200 messages by SMTP come out as they were, below the lines that Postern put on top', KINDS, async () => {
  await addMailbox(server, `smtp@${domain}`, 'a password for smtp')
  const as = { user: `smtp@${domain}`, password: 'a password for smtp', mailbox: 'INBOX' }
  const replies = await python<[number, string][]>('smtp_send', { ...as, messages: MAILS.map((mail) => mail.bytes.toString('base64')) })
  assert.deepEqual(
    replies.filter(([code]) => code !== 250),
    [],
  )
  // SMTP has no message without a last line end: a client adds it.
  const sent = MAILS.map(({ bytes }) =>
    bytes.length === 0 || bytes.subarray(-2).toString('latin1') === '\r\n' ? bytes : Buffer.concat([bytes, Buffer.from('\r\n')]),
  )
  const found = await python<Digest[]>('imap_digests', { ...as, tails: sent.map((bytes) => bytes.length) })
  assert.equal(found.length, MAILS.length)
  found.forEach(({ tail, top }, i) => {
    assert.equal(tail, sha256(sent[i]!), MAILS[i]!.name)
    assert.match(top!, /^Return-Path: <someone@sender\.test>\r\nReceived: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*$/, MAILS[i]!.name)
  })
  const sizes = await python<{ count: number; total: number; listed: number[]; got: number[] }>('pop_sizes', as)
  assert.equal(sizes.count, MAILS.length)
  assert.deepEqual(sizes.listed, sizes.got)
  assert.deepEqual(
    sizes.listed,
    found.map((message) => message.size),
  )
  assert.equal(
    sizes.total,
    sizes.listed.reduce((sum, size) => sum + size, 0),
  )
})

test('200 messages by APPEND come out with the same SHA-256, also without a last line end and with NUL', KINDS, async () => {
  await addMailbox(server, `append@${domain}`, 'a password for append')
  const as = { user: `append@${domain}`, password: 'a password for append', mailbox: 'INBOX' }
  const more = [
    'Subject: no last line end\r\n\r\ntext',
    'Subject: NUL\r\n\r\na\0b\0\r\n',
    'Subject: bare\n\nLF\rCR\n',
    'no header, no end',
    '\r\n',
  ].map((text) => Buffer.from(text, 'latin1'))
  const all = [...MAILS.map((mail) => mail.bytes), ...more]
  const answers = await python<string[]>('imap_append', { ...as, messages: all.map((bytes) => bytes.toString('base64')) })
  assert.deepEqual(
    answers.filter((answer) => answer !== 'OK'),
    [],
  )
  const found = await python<Digest[]>('imap_digests', as)
  assert.deepEqual(
    found.map((message) => message.sha256),
    all.map(sha256),
  )
})

test('mbsync takes a copy of a mailbox, and sends back what changes', { skip: missing('mbsync') }, async () => {
  const box = join(dir, 'maildir')
  const config = join(dir, 'mbsyncrc')
  writeFileSync(
    config,
    [
      ...[
        'IMAPAccount postern',
        `Host ${host}`,
        `Port ${server.port('imaps')}`,
        `User append@${domain}`,
        'Pass "a password for append"',
        'SSLType IMAPS',
        `CertificateFile ${ca}`,
        '',
      ],
      ...['IMAPStore far', 'Account postern', '', 'MaildirStore near', `Path ${box}/`, `Inbox ${box}/INBOX`, 'SubFolders Verbatim', ''],
      ...['Channel mail', 'Far :far:', 'Near :near:', 'Patterns INBOX Sent', 'Create Both', 'Expunge Both', 'SyncState *', 'MaxSize 0', ''],
    ].join('\n'),
    { mode: 0o600 },
  )
  await succeed('mkdir', ['-p', box])
  await succeed('mbsync', ['-c', config, 'mail'], { within: 120_000 })
  const files = () => ['cur', 'new'].flatMap((part) => readdirSync(join(box, 'INBOX', part)).map((name) => join(box, 'INBOX', part, name)))
  const first = files()
  // mbsync leaves out messages without a blank line behind the header: one of Python's, and one of ours.
  assert.equal(first.length, 203)
  const digests = new Set(
    (await python<Digest[]>('imap_digests', { user: `append@${domain}`, password: 'a password for append', mailbox: 'INBOX' })).map((m) => m.size),
  )
  // A Maildir has lines that end in LF: sizes are compared by the mails that have no bare ones.
  const sizes = MAILS.map((mail) => mail.bytes.length)
  assert.ok(sizes.every((size) => digests.has(size)))
  for (const file of first.slice(0, 10)) rmSync(file)
  await succeed('mbsync', ['-c', config, 'mail'], { within: 120_000 })
  const left = await python<Digest[]>('imap_digests', { user: `append@${domain}`, password: 'a password for append', mailbox: 'INBOX' })
  assert.equal(left.length, 195)
  await succeed('mbsync', ['-c', config, 'mail'], { within: 120_000 })
  assert.equal(files().length, 193)
})

test('fetchmail takes all mail by POP3 and by IMAP, and deletes it', { skip: missing('fetchmail') }, async () => {
  await addMailbox(server, `fetch@${domain}`, 'a password for fetchmail')
  for (const [protocol, service] of [
    ['pop3', 'pop3s'],
    ['imap', 'imaps'],
  ] as const) {
    const mails = MAILS.filter((mail) => mail.bytes.length < 100_000 && mail.bytes.length > 60).slice(0, 30)
    await python('imap_append', {
      user: `fetch@${domain}`,
      password: 'a password for fetchmail',
      mailbox: 'INBOX',
      messages: mails.map((m) => m.bytes.toString('base64')),
    })
    const rc = join(dir, 'fetchmailrc')
    const got = join(dir, `got-${protocol}`)
    writeFileSync(
      rc,
      `set no bouncemail\npoll ${host} proto ${protocol} service ${server.port(service)} bad-header accept user "fetch@${domain}" password "a password for fetchmail" ssl sslcertck sslcertfile "${ca}" no rewrite mda "echo x >> ${got}; cat > /dev/null"\n`,
      { mode: 0o600 },
    )
    await succeed('fetchmail', ['-f', rc, '--nosyslog', '--pidfile', join(dir, 'fetchmail.pid'), '--idfile', join(dir, 'fetchids'), '--fetchall'], {
      env: { ...process.env, HOME: dir, FETCHMAILHOME: dir },
    })
    assert.equal(readFileSync(got, 'utf8').length / 2, mails.length)
    const left = await python<Digest[]>('imap_digests', { user: `fetch@${domain}`, password: 'a password for fetchmail', mailbox: 'INBOX' })
    assert.equal(left.length, 0, protocol)
  }
})

test('it stops cleanly, and a second start keeps all mail', async () => {
  const before = await python<Digest[]>('imap_digests', { mailbox: 'INBOX' })
  assert.equal(await server.stop(), 0)
  assert.deepEqual(
    readdirSync(server.dir).filter((name) => ['endpoints.json', 'postern.pid'].includes(name)),
    [],
  )
  const again = await npmStart(server.dir)
  const ports = Object.fromEntries(again.endpoints.listeners.map(({ service, port }) => [service, port]))
  const input = { do: 'imap_digests', host, ca, user: address, password, mailbox: 'INBOX', ...ports }
  assert.equal(again.user.password, password)
  const { out } = await succeed('python3', [new URL('clients.py', import.meta.url).pathname], { input: JSON.stringify(input) })
  await again.stop()
  assert.deepEqual(JSON.parse(out), before)
})
