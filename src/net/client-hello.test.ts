import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { type ClientHello, MAX_CLIENT_HELLO, readClientHello } from './client-hello.ts'

/** What Node's own client says first. */
async function said(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }).on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [octets] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  client.destroy()
  server.close()
  return octets
}

const NAMED: ClientHello = { servername: 'mail.example.org', alpn: ['acme-tls/1'] }
const hello = await said({ servername: 'mail.example.org', ALPNProtocols: ['acme-tls/1'] })

/** The same message in records of so many octets. */
function inRecords(octets: Buffer, size: number): Buffer {
  const message = octets.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece)
  }
  return Buffer.concat(records)
}

test('names and protocols of a real client, TLS 1.2 and 1.3, with and without', async () => {
  assert.deepEqual(readClientHello(hello), NAMED)
  const old = await said({ servername: 'a.example', ALPNProtocols: ['imap', 'h2'], maxVersion: 'TLSv1.2' })
  assert.deepEqual(readClientHello(old), { servername: 'a.example', alpn: ['imap', 'h2'] })
  assert.deepEqual(readClientHello(await said({})), { alpn: [] })
})

test('every beginning of it is incomplete, what follows it does not count', () => {
  for (let length = 0; length < hello.length; length++) assert.equal(readClientHello(hello.subarray(0, length)), 'incomplete', `${length}`)
  assert.deepEqual(readClientHello(Buffer.concat([hello, Buffer.from([20, 3, 3, 0, 1, 1])])), NAMED)
})

test('in several records, but not in very many', () => {
  assert.deepEqual(readClientHello(inRecords(hello, 200)), NAMED)
  assert.deepEqual(readClientHello(inRecords(hello, Math.ceil((hello.length - 5) / 16))), NAMED)
  assert.equal(readClientHello(inRecords(hello, 1)), 'other')
})

test('what is none, or too long, or lies about lengths', () => {
  for (const [what, octets] of [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', Buffer.from([21, 3, 3, 0, 2, 2, 40])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['a ServerHello', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['one that is too long', Buffer.from([22, 3, 1, 0, 4, 1, 0, (MAX_CLIENT_HELLO + 1) >> 8, (MAX_CLIENT_HELLO + 1) & 255])],
    ['one without anything', Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])],
  ] as const)
    assert.equal(readClientHello(octets), 'other', what)
  const cut = Buffer.from(hello)
  cut.writeUIntBE(cut.readUIntBE(6, 3) - 10, 6, 3)
  assert.equal(readClientHello(cut), 'other')
})

test('whatever octets are changed: an answer, and never an error', () => {
  let seed = 20261130
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const seen = new Set<string>()
  for (let i = 0; i < 20_000; i++) {
    const octets = Buffer.from(hello.subarray(0, random(4) === 0 ? random(hello.length) : hello.length))
    for (let n = random(4); n >= 0; n--) if (octets.length > 0) octets[random(octets.length)] = random(256)
    const read = readClientHello(octets)
    seen.add(typeof read === 'string' ? read : 'read')
    if (typeof read !== 'string') for (const name of read.alpn) assert.ok(name.length < 256)
  }
  assert.deepEqual([...seen].sort(), ['incomplete', 'other', 'read'])
})
