/** Bad input on every port: a clear answer or a closed connection, neighbours served, the process alive, memory flat. */
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect as plainConnect } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as tlsConnect } from 'node:tls'
import { ImapFlow } from 'imapflow'
import { npmStart } from '../../support/npm-start.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'

const dir = tempFolder('hostile')
const server = await npmStart(join(dir, 'data'))
after(async () => {
  await server.stop()
  removeFolder(dir)
})
const { address, password } = server.user
const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.endpoints.pid}/status`, 'utf8'))![1]) / 1024

/** Sends it all, whatever the server says, and resolves to what it said until it closed, or after two seconds. */
async function assault(service: 'mx' | 'imaps' | 'pop3s' | 'submissions', bytes: Buffer): Promise<string> {
  const port = server.port(service)
  const socket = service === 'mx' ? plainConnect(port, '127.0.0.1') : tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  let said = ''
  socket.on('data', (chunk) => {
    said = (said + chunk.toString('latin1')).slice(-4_000)
  })
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => resolve())
    socket.on('error', () => {})
  })
  socket.write(bytes)
  await Promise.race([closed, sleep(2_000)])
  socket.destroy()
  return said
}

const noise = randomFillSync(Buffer.alloc(200_000))
const long = Buffer.alloc(1_000_000, 'A')
const ATTACKS: [name: string, service: Parameters<typeof assault>[0], bytes: Buffer, answer: RegExp][] = [
  ['IMAP: a line of 1 MB', 'imaps', long, /\* (?:BAD|BYE) /],
  ['IMAP: a literal of 4 GB before login', 'imaps', Buffer.from('a LOGIN {4294967295}\r\n'), /BAD|BYE/],
  ['IMAP: a literal without waiting', 'imaps', Buffer.from('a LOGIN {4294967295+}\r\n'), /BAD|BYE/],
  ['IMAP: a negative literal', 'imaps', Buffer.from('a LOGIN {-1}\r\n'), /BAD|BYE/],
  ['IMAP: 100,000 parentheses', 'imaps', Buffer.from(`a ${'('.repeat(100_000)}\r\n`), /BAD|BYE/],
  ['IMAP: noise', 'imaps', noise, /BAD|BYE|^\* OK/],
  ['IMAP: HTTP', 'imaps', Buffer.from('GET / HTTP/1.1\r\nHost: secret-echo\r\n\r\n'), /^(?!.*secret-echo)/s],
  ['IMAP: 10,000 commands in one go', 'imaps', Buffer.from('a NOOP\r\n'.repeat(10_000)), /a OK|BYE/],
  ['POP3: a line of 1 MB', 'pop3s', long, /-ERR/],
  ['POP3: noise', 'pop3s', noise, /-ERR/],
  ['POP3: HTTP', 'pop3s', Buffer.from('POST / HTTP/1.1\r\nHost: secret-echo\r\n\r\n'), /^(?!.*secret-echo)/s],
  ['SMTP: a line of 1 MB', 'mx', long, /^220|[45]\d\d /],
  ['SMTP: noise', 'mx', noise, /^220|[45]\d\d /],
  ['SMTP: HTTP', 'mx', Buffer.from('GET / HTTP/1.1\r\nHost: secret-echo\r\n\r\n'), /^(?!.*secret-echo)/s],
  ['SMTP over TLS: noise', 'submissions', noise, /^220|[45]\d\d /],
  ['TLS where none is spoken yet', 'mx', Buffer.from('16030100050100000100', 'hex'), /^/],
]

test('a neighbour is served through all of it', async () => {
  const neighbour = new ImapFlow({
    host: 'localhost',
    port: server.port('imaps'),
    secure: true,
    auth: { user: address, pass: password },
    tls: { rejectUnauthorized: false },
    logger: false,
  })
  await neighbour.connect()
  await neighbour.mailboxOpen('INBOX')
  await Promise.all(ATTACKS.map(([, service, bytes]) => assault(service, bytes)))
  const before = resident()
  for (const [name, service, bytes, answer] of ATTACKS) {
    const said = await assault(service, bytes)
    assert.match(said, answer, name)
    await neighbour.noop()
  }
  for (let round = 0; round < 3; round++) await Promise.all(ATTACKS.map(([, service, bytes]) => assault(service, bytes)))
  const grown = resident() - before
  assert.ok(grown < 100, `resident memory grew by ${Math.round(grown)} MiB`)
  await neighbour.append('INBOX', 'Subject: still there\r\n\r\n')
  assert.ok((await neighbour.status('INBOX', { messages: true })).messages === 1)
  await neighbour.logout()
})
