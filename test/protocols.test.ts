/** What is announced, what src/rfc/ says, what comments name and what docs/protocols.md shows are the same. UPDATE=1 rewrites the page. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { hashPassword } from '../src/auth/password.ts'
import { COMMANDS } from '../src/imap/commands/index.ts'
import { EXTENSIONS } from '../src/imap/extensions/index.ts'
import { choicesOf, createRegistry } from '../src/imap/registry.ts'
import { RFCS } from '../src/rfc/index.ts'
import { type TestDatabase, testDatabase } from './support/postgres.ts'
import { protocolsPage } from './support/protocols-page.ts'
import { startServer, type TestServer } from './support/server.ts'

let database: TestDatabase
let server: TestServer
before(async () => {
  database = await testDatabase()
  const mailbox = `{ address: ann@example.test, password_hash: "${await hashPassword('a')}", pop3: { login_delay: 60 s } }`
  const config = `hostname: localhost\ndomains: [example.test]\nlisteners: { pop3: { enabled: true } }\nmailboxes: [${mailbox}]\n`
  server = await startServer({ config, env: { DATABASE_URL: database.url } })
})
after(async () => {
  await server?.close()
  await database?.close()
})

/** Names of a protocol's column, sorted. */
const listed = (protocol: 'imap' | 'pop3' | 'smtp'): string[] => RFCS.flatMap((r) => r[protocol] ?? []).sort()
/** SASL LOGIN and XLIST never had an RFC. */
const WITHOUT_RFC = ['AUTH=LOGIN', 'XLIST']

async function ask(socket: NodeJS.ReadWriteStream, command: string, end: RegExp): Promise<string> {
  socket.write(command)
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    if (end.test(text)) break
  }
  return text
}

test('IMAP', () => {
  const request = [...choicesOf(COMMANDS, EXTENSIONS).enable]
  const registry = createRegistry(COMMANDS, EXTENSIONS, { request })
  const announced = new Set((['anonymous', 'authenticated', 'selected'] as const).flatMap((state) => [...registry.names(state)]))
  assert.deepEqual([...announced].filter((name) => !WITHOUT_RFC.includes(name)).sort(), listed('imap'))
})

test('POP3', async () => {
  const secured = connectTls({ host: 'localhost', port: server.port('pop3s'), rejectUnauthorized: false })
  const plain = connect({ host: 'localhost', port: server.port('pop3') })
  const names = []
  for (const socket of [secured, plain]) {
    const text = await ask(socket, 'CAPA\r\n', /^\.\r\n/m)
    const lines = text.slice(text.indexOf('\n', text.indexOf('+OK', 3)) + 1).split('\r\n')
    names.push(...lines.map((line) => line.split(' ')[0]!).filter((word) => /^[A-Z]/.test(word)))
  }
  assert.deepEqual([...new Set(names)].sort(), listed('pop3'))
})

test('SMTP', async () => {
  const plain = connect({ host: 'localhost', port: server.port('mx') })
  await once(plain, 'data')
  const words = (text: string) => [...text.matchAll(/^250[ -]([A-Z0-9]+)\b/gm)].map(([, word]) => word!)
  const before = words(await ask(plain, 'EHLO client.example.test\r\n', /^250 .*\r\n/m))
  const secured = connectTls({ host: 'localhost', port: server.port('submissions'), rejectUnauthorized: false })
  await once(secured, 'data')
  const within = words(await ask(secured, 'EHLO client.example.test\r\n', /^250 .*\r\n/m))
  assert.deepEqual([...new Set([...before, ...within])].sort(), listed('smtp'))
})

test('every RFC that a comment names is in the table', () => {
  const known = new Set(RFCS.map((r) => r.number))
  const unknown = globSync('src/**/*.ts').flatMap((file) => {
    const named = [...readFileSync(file, 'utf8').matchAll(/\bRFC (\d{3,5})\b/g)].map(([, number]) => Number(number))
    return named.filter((number) => !known.has(number)).map((number) => `${file}: RFC ${number}`)
  })
  assert.deepEqual([...new Set(unknown)], [])
  assert.deepEqual(
    RFCS.map((r) => r.number),
    [...known].sort((a, b) => a - b),
    'in order, none twice',
  )
})

test('docs/protocols.md', () => {
  if (process.env['UPDATE']) writeFileSync('docs/protocols.md', protocolsPage())
  assert.equal(readFileSync('docs/protocols.md', 'utf8'), protocolsPage(), 'run UPDATE=1 npm test -- protocols')
})
