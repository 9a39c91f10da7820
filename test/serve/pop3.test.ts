/** The POP3 listener without TLS and LOGIN-DELAY, as several workers behind one keeper have them: sockets handed over, the delay in Redis. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { hashPassword } from '../../src/auth/password.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { redisMissing, type TestRedis, testRedis } from '../support/redis.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { WireClient } from '../support/wire-client.ts'

describe('two workers', { skip: redisMissing }, () => {
  let redis: TestRedis
  let database: TestDatabase
  let server: TestServer
  before(async () => {
    redis = await testRedis()
    database = await testDatabase()
    const hash = await hashPassword('a b')
    const mailboxes = ['ann', 'ben', 'carl'].map((user) => `{ address: ${user}@example.test, password_hash: "${hash}", pop3: { login_delay: 60 s } }`)
    const config = `hostname: localhost\ndomains: [example.test]\nlisteners: { pop3: { enabled: true } }\nmailboxes: [${mailboxes}]\n`
    server = await startServer({ config, env: { REDIS_URL: redis.url, DATABASE_URL: database.url }, args: ['--workers', '2'] })
  })
  after(async () => {
    await server?.close()
    await database?.close()
    await redis?.close()
  })

  async function command(client: WireClient, line: string): Promise<string> {
    client.send(`${line}\r\n`)
    return (await client.line()) ?? '<closed>'
  }

  /** The answer to PASS, over STLS on the plain port. */
  async function logIn(user: string): Promise<string> {
    const client = await WireClient.connect(server.port('pop3'))
    assert.match((await client.line()) ?? '', /^\+OK localhost POP3/)
    assert.match(await command(client, `USER ${user}@example.test`), /^-ERR Nobody logs in without TLS/)
    assert.match(await command(client, 'STLS'), /^\+OK/)
    await client.startTls()
    assert.match(await command(client, `USER ${user}@example.test`), /^\+OK/)
    const answer = await command(client, 'PASS a b')
    if (answer.startsWith('+OK')) assert.match(await command(client, 'QUIT'), /^\+OK Goodbye/)
    client.destroy()
    return answer
  }

  test('STLS and a login, whichever worker has the socket; a delay that one began holds in the other', async () => {
    assert.equal(server.endpoints.listeners.find(({ service }) => service === 'pop3')?.tls, 'starttls')
    assert.match(await logIn('ann'), /^\+OK Maildrop has 0/)
    for (let i = 0; i < 6; i++) assert.match(await logIn('ann'), /^-ERR \[LOGIN-DELAY\] The next login may come in \d+ seconds$/)
    assert.match(await logIn('ben'), /^\+OK Maildrop has 0/)
  })

  test('of ten logins at once at both, one gets in', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => logIn('carl')))
    assert.equal(answers.filter((answer) => answer.startsWith('+OK')).length, 1, `${answers}`)
    for (const answer of answers) assert.match(answer, /^(\+OK Maildrop|-ERR \[(LOGIN-DELAY|IN-USE)\]) /)
  })
})
