/** Start, stop and crash of the whole server on its embedded Postgres. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { identify, isRunning } from '../../src/process.ts'
import { readPostmasterFile } from '../../src/store/pg/embedded-orphan.ts'
import { dataFolder, postern, startServer, type TestServer } from '../support/server.ts'

const dir = dataFolder()
after(() => rmSync(dir, { recursive: true, force: true }))
const mode = (name: string): number => statSync(join(dir, name)).mode & 0o777

/** Logs in on 993; the tagged answer. */
async function login(server: TestServer, user: string, password: string): Promise<string> {
  const { host, ca } = server.endpoints
  const socket = connect({ host, port: server.port('imaps'), ca: readFileSync(ca), servername: host })
  await once(socket, 'data')
  socket.write(`a login ${user} ${password}\r\n`)
  let text = ''
  for await (const chunk of socket) {
    text += chunk
    if (/^a /m.test(text)) break
  }
  return text.slice(text.search(/^a /m)).trim()
}

let first: TestServer
let password: string

test('the first start: config, certificate, mailbox, endpoints, the table', async () => {
  first = await startServer({ dir })
  const { endpoints } = first
  // Written before anybody is told.
  while (!first.output.includes('postern is ready')) await sleep(10)
  const { output } = first
  assert.equal(endpoints.host, 'localhost')
  assert.equal(endpoints.pid, first.child.pid)
  assert.equal(readFileSync(join(dir, 'postern.pid'), 'utf8'), `${first.child.pid}\n`)
  assert.deepEqual(
    endpoints.listeners.map(({ service, tls }) => [service, tls]),
    [
      ['mx', 'starttls'],
      ['submission', 'both'],
      ['submissions', 'implicit'],
      ['imaps', 'implicit'],
      ['pop3s', 'implicit'],
      ['https', 'implicit'],
    ],
  )
  assert.match(endpoints.database, /^postgres:\/\/postern:[0-9a-f]+@127\.0\.0\.1:\d+\/postern$/)
  assert.deepEqual([mode('endpoints.json'), mode('postern.yaml'), mode('first-password.json')], [0o600, 0o600, 0o600])
  password = endpoints.mailboxes[0]!.password!
  assert.match(output, new RegExp(`Password of ${endpoints.mailboxes[0]!.address}: ${password} `))
  assert.match(output, new RegExp(`IMAP +\\(read mail\\) +localhost +${first.port('imaps')} +SSL/TLS +${endpoints.mailboxes[0]!.address}`))
  assert.match(await login(first, endpoints.mailboxes[0]!.address, password), /^a OK/)
})

test('a second one on the same folder is refused in words and harms nothing', async () => {
  const { code, err } = await postern(['serve', '--data', dir, '--ports', 'auto'])
  assert.equal(code, 1)
  assert.equal(
    err,
    `postern: Another Postern (process ${first.child.pid}) runs with the data folder ${dir}. Stop it first, or use another folder with --data.\n`,
  )
  assert.ok(existsSync(join(dir, 'endpoints.json')))
  assert.match(await login(first, first.endpoints.mailboxes[0]!.address, password), /^a OK/)
})

test('kill -9: the next start takes over without a hand, with a stale pid file of somebody who lives', async () => {
  const postgres = identify(readPostmasterFile(join(dir, 'postgres', 'data'))!.pid)!
  await first.kill()
  assert.ok(isRunning(postgres), 'the database outlives its server')
  assert.ok(existsSync(join(dir, 'postern.pid')))
  // The number was given to another process meanwhile: this one.
  writeFileSync(join(dir, 'postern.pid'), `${process.pid}\n`)
  writeFileSync(join(dir, 'postern.lock'), JSON.stringify({ pid: process.pid, started: 'another boot:1' }))
  const second = await startServer({ dir })
  assert.equal(isRunning(postgres), false)
  assert.equal(second.endpoints.mailboxes[0]!.password, password, 'it is still the one that was made up')
  assert.doesNotMatch(second.output, /Password of/, 'shown once')
  assert.match(await login(second, second.endpoints.mailboxes[0]!.address, password), /^a OK/)
  assert.equal(await second.stop(), 0)
})

test('a clean stop leaves no process and no promise of one', async () => {
  assert.equal(existsSync(join(dir, 'endpoints.json')), false)
  assert.equal(existsSync(join(dir, 'postern.pid')), false)
  assert.equal(readPostmasterFile(join(dir, 'postgres', 'data')), undefined)
})

test('a password that is set by hand is not told', async () => {
  const [address] = (await postern(['mailbox', 'list', '--data', dir])).out.trim().split('\t')
  assert.equal((await postern(['--data', dir, 'mailbox', 'passwd', address!, '--password-stdin'], { input: 'correct horse\n' })).code, 0)
  const third = await startServer({ dir })
  assert.deepEqual(third.endpoints.mailboxes, [{ address, password: null }])
  assert.equal(existsSync(join(dir, 'first-password.json')), false)
  assert.match(await login(third, address!, '"correct horse"'), /^a OK/)
  assert.match(await login(third, address!, password), /^a NO/)
  // Ctrl-C under npm: the terminal's signal, and the one that npm passes on.
  const exited = once(third.child, 'exit')
  third.child.kill('SIGINT')
  third.child.kill('SIGINT')
  assert.deepEqual(await exited, [0, null])
  assert.doesNotMatch(third.output, /stopping at once/)
})
