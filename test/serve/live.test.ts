/** Edits of the config file while the server runs. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { certificateFiles } from '../support/pem.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { postern, startServer, type TestServer } from '../support/server.ts'

let database: TestDatabase
let server: TestServer
before(async () => {
  database = await testDatabase()
  server = await startServer({ env: { DATABASE_URL: database.url }, args: ['--mailbox', 'ann@home.example.test'] })
})
after(async () => {
  await server?.close()
  await database?.close()
})

const config = () => join(server.dir, 'postern.yaml')
const addresses = () => server.endpoints.mailboxes.map((m) => m.address)
const TWO_SECONDS = 2_000

async function within(ms: number, what: () => boolean | Promise<boolean>): Promise<number> {
  const began = performance.now()
  while (!(await what())) {
    assert.ok(performance.now() - began < ms, `not within ${ms} ms:\n${server.output.slice(-2000)}`)
    await sleep(25)
  }
  return performance.now() - began
}

async function login(user: string, password: string): Promise<string> {
  const socket = connect({ host: 'localhost', port: server.port('pop3s'), rejectUnauthorized: false })
  await once(socket, 'data')
  socket.write(`user ${user}\r\n`)
  await once(socket, 'data')
  socket.write(`pass ${password}\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.end('quit\r\n')
  socket.on('error', () => {})
  return answer.toString('latin1').trim()
}

test('the first mailbox is the one that was asked for', () => {
  assert.deepEqual(addresses(), ['ann@home.example.test'])
  assert.match(readFileSync(config(), 'utf8'), /^hostname: mail\.home\.example\.test$/m)
})

test('a mailbox that is added may log in within two seconds; removed, it may not', async () => {
  const { code, out } = await postern(['--data', server.dir, 'mailbox', 'add', 'Bob@home.example.test', '--password-stdin'], { input: 'tr0ub4dor\n' })
  assert.equal(code, 0)
  assert.equal(out, 'bob@home.example.test is there.\n')
  await within(TWO_SECONDS, async () => (await login('bob@home.example.test', 'tr0ub4dor')).startsWith('+OK'))
  await within(500, () => addresses().includes('bob@home.example.test'))
  assert.equal(server.endpoints.mailboxes[1]!.password, null)
  assert.equal((await postern(['mailbox', 'remove', 'bob@home.example.test', '--data', server.dir])).code, 0)
  await within(TWO_SECONDS, async () => (await login('bob@home.example.test', 'tr0ub4dor')).startsWith('-ERR'))
})

test('a bad edit is reported with its line, and the old state kept', async () => {
  const good = readFileSync(config(), 'utf8')
  writeFileSync(config(), good.replace('domains:', 'domain:'))
  await within(TWO_SECONDS, () => /postern\.yaml:\d+:1: domain is no setting; did you mean domains\?/.test(server.output))
  assert.match(await login('ann@home.example.test', server.endpoints.mailboxes[0]!.password!), /^\+OK/)
  rmSync(config())
  await within(TWO_SECONDS, () => /the config file cannot be read/.test(server.output))
  writeFileSync(config(), good)
  await sleep(700)
  assert.match(await login('ann@home.example.test', server.endpoints.mailboxes[0]!.password!), /^\+OK/)
})

test('settings that wait for the next start are named', async () => {
  writeFileSync(config(), `${readFileSync(config(), 'utf8')}\ndrain_seconds: 3\nscan: { clamav: { host: 127.0.0.1 } }\n`)
  await within(TWO_SECONDS, () => /"settings":"scan, drain_seconds"/.test(server.output))
})

test('a certificate that is configured, replaced, replaced badly', async () => {
  const [one, two] = [certificateFiles('mail.home.example.test'), certificateFiles('other.example.test')]
  const shown = async (): Promise<string> => {
    const socket = connect({ host: 'localhost', port: server.port('imaps'), rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const certificate = socket.getPeerX509Certificate()!.toString()
    socket.destroy()
    return certificate
  }
  const [first, second] = [one, two].map(({ cert }) => readFileSync(cert, 'utf8')) as [string, string]
  writeFileSync(config(), `${readFileSync(config(), 'utf8')}\ntls: {cert: ${one.cert}, key: ${one.key}}\n`)
  await within(TWO_SECONDS, async () => (await shown()) === first)
  copyFileSync(two.cert, one.cert)
  await within(TWO_SECONDS, () => /is not that of the first certificate/.test(server.output))
  assert.equal(await shown(), first)
  copyFileSync(two.key, one.key)
  await within(TWO_SECONDS, async () => (await shown()) === second)
  await within(TWO_SECONDS, () => /"names":"DNS:other\.example\.test.*","hostname":"mail\.home\.example\.test",.*is not for/.test(server.output))
  for (const { dir } of [one, two]) rmSync(dir, { recursive: true })
})
