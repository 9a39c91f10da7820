/** `scan` in the config of a server: scanners are asked on 25 and at submission, with the secret of a file, and what they say is done with mail in Postgres. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../src/auth/password.ts'
import { asClamd, letter, type Scripted, says, scriptedRspamd, scriptedTcp, send } from '../e2e/scan/scripted.ts'
import { plain } from '../e2e/smtp/harness.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { dataFolder, startServer, type TestServer } from '../support/server.ts'
import { removeFolder } from '../support/temp.ts'
import { WireClient } from '../support/wire-client.ts'

const dir = dataFolder()
let database: TestDatabase
let server: TestServer
let spam: Awaited<ReturnType<typeof scriptedRspamd>>
let clam: Scripted
before(async () => {
  spam = await scriptedRspamd()
  clam = await scriptedTcp(
    asClamd((message) => (message.includes('INFECTED') ? 'stream: Eicar FOUND\0' : 'stream: OK\0')),
    join(dir, 'clamd.sock'),
  )
  writeFileSync(join(dir, 'rspamd_password'), 'sesam\n')
  database = await testDatabase()
  const config = `
hostname: localhost
domains: [example.test, mild.test]
inbound: { authenticate: false }
scan:
  rspamd: { url: "http://127.0.0.1:${spam.port}", password_file: rspamd_password, domains: { mild.test: junk } }
  clamav: { socket: clamd.sock, on_failure: defer }
mailboxes:
  - { address: ann@example.test, password_hash: "${await hashPassword('secret')}", aliases: [ann@mild.test] }
`
  server = await startServer({ dir, config, env: { DATABASE_URL: database.url } })
})
after(async () => {
  await server?.close()
  await database?.close()
  await Promise.all([spam?.stop(), clam?.stop()])
  removeFolder(dir)
})

const to = ['ann@example.test']
const text = (more = ''): string => letter(more).replaceAll('ann@example.org', 'ann@example.test')

/** Messages of a mailbox with what the scanners said of them. */
async function found(mailbox: string): Promise<string[]> {
  const client = await WireClient.connect(server.port('imaps'))
  await client.startTls()
  await client.line()
  const out: string[] = []
  for (const [i, command] of [
    'LOGIN ann@example.test secret',
    `EXAMINE ${mailbox}`,
    'FETCH 1:* BODY[HEADER.FIELDS (X-Postern-Scan)]',
    'LOGOUT',
  ].entries()) {
    client.send(`t${i} ${command}\r\n`)
    for (let line = await client.line(); line !== undefined; line = await client.line()) {
      if (line.startsWith('X-Postern-Scan: ')) out.push(line.slice(16))
      if (line.startsWith(`t${i} `)) break
    }
  }
  client.destroy()
  return out
}

test('on 25', async () => {
  const port = server.port('mx')
  spam.answer = says('no action', 1)
  assert.match(await send(port, text(), { to }), /^250 /)
  assert.deepEqual(spam.heard!.headers['password'], ['sesam'])
  assert.equal(await send(port, text('X: INFECTED\r\n'), { to }), '550 5.7.1 The message is infected: Eicar')
  spam.answer = says('reject', 20)
  assert.equal(await send(port, text(), { to }), '550 5.7.1 The message is taken for spam')
  assert.match(await send(port, text(), { to: ['ann@mild.test'] }), /^250 /)
  assert.deepEqual(await found('INBOX'), ['rspamd; no action; score=1.00/15.00', 'clamav; clean'])
  assert.deepEqual(await found('Junk'), ['rspamd; reject; score=20.00/15.00', 'clamav; clean'])
})

test('at submission', async () => {
  const asked = spam.questions
  const client = await WireClient.connect(server.port('submissions'))
  await client.startTls()
  const say = async (line: string): Promise<string> => {
    client.send(line)
    for (let said = await client.line(); said !== undefined; said = await client.line()) if (/^\d{3}(?: |$)/.test(said)) return said
    return ''
  }
  assert.match(await say(''), /^220 /)
  assert.match(await say('EHLO c.test\r\n'), /^250 /)
  assert.match(await say(`AUTH PLAIN ${plain('ann@example.test')}\r\n`), /^235 /)
  for (const [more, reply] of [
    ['X: INFECTED\r\n', /^550 5\.7\.1 The message is infected: Eicar$/],
    ['', /^250 /],
  ] as const) {
    assert.match(await say('MAIL FROM:<ann@example.test>\r\n'), /^250 /)
    assert.match(await say('RCPT TO:<ann@example.test>\r\n'), /^250 /)
    assert.match(await say('DATA\r\n'), /^354 /)
    assert.match(await say(`${text(more)}\r\n.\r\n`), reply)
  }
  assert.match(await say('QUIT\r\n'), /^221 /)
  client.destroy()
  assert.equal(spam.questions, asked)
})

test('a scanner that went away', async () => {
  await clam.stop()
  spam.answer = says('no action', 1)
  assert.equal(await send(server.port('mx'), text(), { to }), '451 4.3.0 The message cannot be checked now, try again later')
  // Its log comes by another way than its answer.
  const until = performance.now() + 10_000
  while (!server.output.includes('message not scanned') && performance.now() < until) await sleep(20)
  assert.match(server.output, /"scanner":"clamav","why":"connect ENOENT .*","msg":"message not scanned"/)
})
