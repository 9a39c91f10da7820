/** From an empty data folder to a certificate that mail programs trust, and what becomes of it. */
import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { checkServerIdentity, connect } from 'node:tls'
import { PEBBLE, type Pebble, startPebble } from '../../support/pebble.ts'
import { type TestDatabase, testDatabase } from '../../support/postgres.ts'
import { missing } from '../../support/programs.ts'
import { postern, startServer, type TestServer } from '../../support/server.ts'
import { certificateFile, configOf, type Front, HOST, noop, pop3, shown, startFront, until } from './house.ts'

const skip = missing(...PEBBLE)
let pebble: Pebble
let front: Front
let database: TestDatabase
let server: TestServer
const start = async (dir?: string): Promise<TestServer> => {
  const given = dir === undefined ? { config: configOf({ pebble }) } : { dir }
  const started = await startServer({ ...given, env: { DATABASE_URL: database.url } })
  front.to = started.port('https')
  return started
}
before(async () => {
  if (skip) return
  front = await startFront()
  pebble = await startPebble({ tlsPort: front.port })
  await pebble.address('mta-sts.home.test', '192.0.2.1')
  database = await testDatabase()
  server = await start()
})
after(async () => {
  await server?.close()
  await pebble?.close()
  front?.close()
  await database?.close()
})
const ordered = (): number => server.output.split('ordering a certificate').length - 1
const isReal = async (): Promise<boolean> => (await shown(server.port('imaps'))).issuer.includes('Pebble')
let first: X509Certificate

test('a certificate comes by itself, while sessions go on, for the names that lead here', { skip }, async () => {
  await until('a warning', () => server.output.includes('no certificate came by ACME yet: mail programs are shown a self-signed one'), server)
  const session = await pop3(server.port('pop3s'))
  await until('a certificate', isReal, server)
  first = await shown(server.port('imaps'))
  assert.equal(first.subjectAltName, `DNS:${HOST}, DNS:autoconfig.home.test, DNS:autodiscover.home.test`)
  assert.match(await noop(session), /^\+OK/)
  session.destroy()
  const root = await pebble.root()
  for (const service of ['imaps', 'pop3s', 'submissions', 'https'] as const) {
    const socket = connect({ port: server.port(service), host: '127.0.0.1', servername: HOST, ca: root, checkServerIdentity })
    await once(socket, 'secureConnect')
    assert.ok(socket.authorized, service)
    socket.destroy()
  }
  assert.equal(statSync(join(server.dir, 'tls/acme/key.pem')).mode & 0o777, 0o600)
  assert.equal(server.endpoints.ca, certificateFile(server))
  assert.equal(server.endpoints.host, HOST)
})

test('a restart orders nothing, nor does a copy that is gone or broken', { skip }, async () => {
  assert.equal(ordered(), 1)
  const { dir } = server
  await server.stop()
  server = await start(dir)
  assert.equal((await shown(server.port('imaps'))).fingerprint256, first.fingerprint256)
  await server.stop()
  rmSync(join(dir, 'tls/acme'), { recursive: true })
  server = await start(dir)
  await until('the copy', async () => (await shown(server.port('imaps'))).fingerprint256 === first.fingerprint256, server)
  await server.stop()
  writeFileSync(certificateFile(server), 'torn')
  server = await start(dir)
  await until('the copy', async () => (await shown(server.port('imaps'))).fingerprint256 === first.fingerprint256, server)
  assert.equal(ordered(), 0)
})

test('a name that leads here from now on is ordered with the others, with the same key; `postern doctor` knows', { skip }, async () => {
  const text = readFileSync(join(server.dir, 'postern.yaml'), 'utf8')
  writeFileSync(join(server.dir, 'postern.yaml'), `${text}    names: [webmail.home.test, elsewhere.example.test]\n`)
  await pebble.address('elsewhere.example.test', '192.0.2.1')
  await until('another certificate', async () => (await shown(server.port('imaps'))).fingerprint256 !== first.fingerprint256, server)
  const second = await shown(server.port('imaps'))
  assert.equal(second.subjectAltName, `DNS:${HOST}, DNS:webmail.home.test, DNS:autoconfig.home.test, DNS:autodiscover.home.test`)
  assert.deepEqual(second.publicKey.export({ type: 'spki', format: 'der' }), first.publicKey.export({ type: 'spki', format: 'der' }))
  const { out } = await postern(['doctor', '--offline', '--data', server.dir], { env: { DATABASE_URL: database.url } })
  assert.match(out, /^warning +ACME: the listener https is at port \d+, and authorities come to 443 only/m)
  assert.match(out, /^ok +ACME: the certificate from localhost:\d+ is renewed from \d{4}-\d\d-\d\d on$/m)
  // An edit of something else, and time: nothing more.
  writeFileSync(join(server.dir, 'postern.yaml'), `${readFileSync(join(server.dir, 'postern.yaml'), 'utf8')}\n# an edit\n`)
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  assert.equal(ordered(), 1)
})
