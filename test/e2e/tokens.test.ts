/** Access tokens over the three protocols of the whole server, by clients that we did not write where there are any. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { ImapFlow } from 'imapflow'
import { hashPassword } from '../../src/auth/password.ts'
import { formatVerifier, makeVerifier, newSalting } from '../../src/auth/scram.ts'
import { type FakeIssuer, fakeIssuer } from '../support/issuer.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { missing, run } from '../support/programs.ts'
import { startServer, type TestServer } from '../support/server.ts'

const USER = 'ann@example.test'
const ALL = 'SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN'
let id: FakeIssuer
let database: TestDatabase
let server: TestServer
let token: string
const dir = mkdtempSync(join(tmpdir(), 'postern-tokens-'))

before(async () => {
  id = await fakeIssuer()
  token = await id.token(USER)
  database = await testDatabase()
  const config = `hostname: mail.example.test
domains: [example.test]
mailboxes:
  - address: ${USER}
    password_hash: ${await hashPassword('secret')}
    scram: ${formatVerifier((await makeVerifier('secret', newSalting()))!)}
disable: [AUTH=LOGIN]
oidc:
  issuer: ${id.issuer}
  audience: postern
  scopes: [mail]
`
  server = await startServer({ env: { DATABASE_URL: database.url }, config })
})
after(async () => {
  await server?.close()
  await database?.close()
  await id?.close()
  rmSync(dir, { recursive: true, force: true })
})

/** What the server says to these lines, said one after the other, until a line that ends as `end`. */
async function talk(
  service: 'imaps' | 'pop3s' | 'submissions',
  lines: readonly (readonly [say: string, until: RegExp])[],
  of = server,
): Promise<string[]> {
  const socket: TLSSocket = connect({ host: 'localhost', port: of.port(service), rejectUnauthorized: false })
  const said: string[] = []
  let text = ''
  const until = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(text)) {
      const chunk = await new Promise<Buffer | undefined>((resolve) => {
        socket.once('data', resolve)
        socket.once('close', () => resolve(undefined))
      })
      if (!chunk) break
      text += chunk.toString('latin1')
    }
    said.push(text)
    text = ''
  }
  await until(/\r\n/)
  for (const [say, pattern] of lines) {
    socket.write(`${say}\r\n`)
    await until(pattern)
  }
  socket.destroy()
  return said
}

const b64 = (text: string): string => Buffer.from(text).toString('base64')
const bearer = (of: string): string => b64(`n,a=${USER},\x01host=x\x01auth=Bearer ${of}\x01\x01`)
const google = (of: string): string => b64(`user=${USER}\x01auth=Bearer ${of}\x01\x01`)

test('announced by all three, without what the configuration disables', async () => {
  const [greeting] = await talk('imaps', [])
  assert.equal([...greeting!.matchAll(/AUTH=(\S+?)[\] ]/g)].map((m) => m[1]).join(' '), ALL)
  assert.match((await talk('pop3s', [['CAPA', /^\.\r\n/m]]))[1]!, new RegExp(`^SASL ${ALL}\\r$`, 'm'))
  assert.match((await talk('submissions', [['EHLO c', /^250 /m]]))[1]!, new RegExp(`^250-AUTH ${ALL}\\r$`, 'm'))
  assert.match(
    (
      await talk('submissions', [
        ['EHLO c', /^250 /m],
        ['AUTH LOGIN', /\r\n/],
      ])
    )[2]!,
    /^504/,
  )
})

test('SCRAM is not offered where one password cannot be used with it', async () => {
  const { database: other, server: without } = await withoutScram()
  try {
    const [greeting] = await talk('imaps', [], without)
    assert.equal([...greeting!.matchAll(/AUTH=(\S+?)[\] ]/g)].map((m) => m[1]).join(' '), 'PLAIN LOGIN')
  } finally {
    await without.close()
    await other.close()
  }
})

async function withoutScram(): Promise<{ database: TestDatabase; server: TestServer }> {
  const config = `hostname: mail.example.test\ndomains: [example.test]\nmailboxes:\n  - address: ${USER}\n    password_hash: ${await hashPassword('x')}\n`
  const its = await testDatabase()
  return { database: its, server: await startServer({ env: { DATABASE_URL: its.url }, config }) }
}

test('IMAP: right, wrong, wrong and said so', async () => {
  for (const [mechanism, message] of [
    ['OAUTHBEARER', bearer],
    ['XOAUTH2', google],
  ] as const) {
    assert.match((await talk('imaps', [[`a AUTHENTICATE ${mechanism} ${message(token)}`, /^a /m]]))[1]!, /^a OK \[CAPABILITY /)
    const [, challenge, end] = await talk('imaps', [
      [`a AUTHENTICATE ${mechanism} ${message('x.y.z')}`, /\r\n/],
      [mechanism === 'XOAUTH2' ? '' : 'AQ==', /^a /m],
    ])
    const said = JSON.parse(Buffer.from(challenge!.slice(2), 'base64').toString()) as { status: string; scope: string }
    assert.deepEqual([said.status, said.scope], [mechanism === 'XOAUTH2' ? '401' : 'invalid_token', 'mail'])
    assert.equal(end, 'a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n')
  }
})

test('POP3 and submission', async () => {
  assert.match((await talk('pop3s', [[`AUTH OAUTHBEARER ${bearer(token)}`, /\r\n/]]))[1]!, /^\+OK Maildrop/)
  const [, , end] = await talk('pop3s', [
    [`AUTH XOAUTH2 ${google('x.y.z')}`, /\r\n/],
    ['', /\r\n/],
  ])
  assert.match(end!, /^-ERR \[AUTH\]/)
  const smtp = await talk('submissions', [
    ['EHLO c', /^250 /m],
    [`AUTH OAUTHBEARER ${bearer('x.y.z')}`, /\r\n/],
    ['AQ==', /\r\n/],
    [`AUTH XOAUTH2 ${google(token)}`, /\r\n/],
  ])
  assert.match(smtp[2]!, /^334 /)
  assert.match(smtp[3]!, /^535 5\.7\.8/)
  assert.match(smtp[4]!, /^235 2\.7\.0/)
})

test('imapflow, with a token', async () => {
  const client = (accessToken: string) =>
    new ImapFlow({
      host: 'localhost',
      port: server.port('imaps'),
      secure: true,
      logger: false,
      tls: { rejectUnauthorized: false },
      auth: { user: USER, accessToken },
    })
  const right = client(token)
  await right.connect()
  assert.ok((await right.mailboxOpen('INBOX')).path)
  await right.logout()
  await assert.rejects(client('x.y.z').connect())
})

describe('msmtp, with a token', { skip: missing('msmtp') }, () => {
  for (const auth of ['oauthbearer', 'xoauth2'])
    for (const right of [true, false])
      test(`${auth}, ${right ? 'right' : 'wrong'}`, async () => {
        const rc = join(dir, `${auth}-${right}`)
        const text = `account default\nhost localhost\nport ${server.port('submissions')}\ntls on\ntls_starttls off\ntls_certcheck off\nauth ${auth}\nuser ${USER}\npasswordeval "cat ${rc}.token"\nfrom ${USER}\n`
        writeFileSync(rc, text, { mode: 0o600 })
        writeFileSync(`${rc}.token`, right ? token : 'x.y.z')
        const { code, err } = await run('msmtp', ['-C', rc, USER], { input: `From: ${USER}\nTo: ${USER}\nSubject: x\n\nx\n` })
        assert.equal(code === 0, right, err)
      })
})

test('no token is in the log', () => {
  assert.ok(!server.output.includes(token.slice(-20)))
  assert.ok(!server.output.includes('x.y.z'))
})
