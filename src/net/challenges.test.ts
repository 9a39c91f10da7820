import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { after, test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { ASK_MS, createChallenges } from './challenges.ts'
import { type Listener, listen } from './listener.ts'
import { makeSelfSigned } from './self-signed.ts'
import { createTls } from './tls.ts'

const { cert, key } = makeSelfSigned({ hostname: 'mail.example.org', now: Date.now() })
const usual = new X509Certificate(cert).fingerprint256
const digest = createHash('sha256').update('token.thumbprint').digest()
const underWay = new Map<string, Buffer>()
const troubles: unknown[] = []
let asked = 0
let fails = false
const challenges = createChallenges(
  async () => {
    asked++
    if (fails) throw new Error('no database')
    return new Map(underWay)
  },
  (err) => troubles.push(err),
)
let served = 0
const open: Listener[] = []
after(() => Promise.all(open.map((listener) => listener.drain(0))))
const start = async (mode: 'implicit' | 'both', alpn?: string[]): Promise<number> => {
  const listener = await listen({
    ...{ host: '127.0.0.1', port: 0, mode, challenges, networkOf: (remote: string) => remote, ...(alpn && { alpn }) },
    tls: createTls({ cert, key, expires: 0, names: '' }).service('test'),
    handshakeMs: 1_000,
    serve: async ({ socket }) => {
      served++
      socket.write('hello\r\n')
    },
    log: { debug: () => undefined, warn: () => undefined, error: () => undefined },
  })
  open.push(listener)
  return listener.port
}

interface Seen {
  readonly protocol: string | false | null
  readonly leaf: X509Certificate
  readonly text: string
}

async function visit(port: number, options: ConnectionOptions): Promise<Seen> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  await once(socket, 'secureConnect')
  const { raw } = socket.getPeerCertificate()
  const protocol = socket.alpnProtocol
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk))
  await once(socket, 'end')
  socket.end()
  return { protocol, leaf: new X509Certificate(raw), text }
}

const AUTHORITY = { servername: 'mail.example.org', ALPNProtocols: ['acme-tls/1'] }
const port = await start('implicit', ['imap'])

test('an authority is shown the proof and nothing else; everybody else what is usual', async () => {
  underWay.set('mail.example.org', digest)
  const { protocol, leaf, text } = await visit(port, { ...AUTHORITY, servername: 'MAIL.example.org' })
  assert.equal(protocol, 'acme-tls/1')
  assert.equal(text, '')
  assert.equal(served, 0)
  assert.equal(leaf.subjectAltName, 'DNS:mail.example.org')
  // RFC 8737 §3: id-pe-acmeIdentifier, critical, an OCTET STRING of 32 octets.
  const extension = Buffer.concat([Buffer.from('06082b060105050701' + '1f' + '0101ff' + '04220420', 'hex'), digest])
  assert.ok(leaf.raw.includes(extension))
  for (const options of [{ servername: 'mail.example.org' }, { servername: 'mail.example.org', ALPNProtocols: ['imap'] }, {}]) {
    const seen = await visit(port, options)
    assert.equal(seen.leaf.fingerprint256, usual)
    assert.equal(seen.text, 'hello\r\n')
  }
  assert.equal(served, 3)
})

test('in mode both as well; a client that says more than that protocol is none', async () => {
  const both = await start('both')
  assert.notEqual((await visit(both, AUTHORITY)).leaf.fingerprint256, usual)
  assert.equal((await visit(both, { ...AUTHORITY, ALPNProtocols: ['acme-tls/1', 'http/1.1'] })).leaf.fingerprint256, usual)
  const plain = connectPlain(both, '127.0.0.1')
  const [text] = (await once(plain, 'data')) as [Buffer]
  assert.equal(String(text), 'hello\r\n')
  plain.destroy()
})

test('without a challenge an authority is a client like any other', async () => {
  const refused = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...AUTHORITY, servername: 'other.example.org' })
  const [err] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
  assert.match(err.message, /no application protocol/)
  const without = await start('implicit')
  assert.equal((await visit(without, { ...AUTHORITY, servername: 'other.example.org' })).leaf.fingerprint256, usual)
})

test('one that is over is forgotten, one whose name is challenged anew has another proof; strangers cannot have the database asked often', async () => {
  const before = asked
  const all = await Promise.all(Array.from({ length: 100 }, () => challenges.find('mail.example.org')))
  assert.equal(asked - before, 1)
  assert.equal(new Set(all).size, 1)
  const began = performance.now()
  for (let i = 0; i < 4; i++) assert.equal(await challenges.find(`stranger${i}`), undefined)
  assert.ok(performance.now() - began > 3 * ASK_MS)
  const [first] = all
  assert.ok(first)
  assert.equal(await challenges.find('mail.example.org'), first)
  underWay.set('mail.example.org', createHash('sha256').update('another').digest())
  assert.notEqual(await challenges.find('mail.example.org'), first)
  // One that begins just after somebody asked is seen by who asks then.
  const early = challenges.find('late.example.org')
  await early
  underWay.set('late.example.org', digest)
  assert.ok(await challenges.find('late.example.org'))
  underWay.clear()
  fails = true
  assert.equal(await challenges.find('mail.example.org'), undefined)
  assert.equal(troubles.length, 1)
})

test('a client that begins and says nothing more is let go in time', async () => {
  const socket = connectPlain(port, '127.0.0.1')
  socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0]))
  const began = performance.now()
  socket.on('error', () => {})
  await once(socket, 'close')
  const took = performance.now() - began
  assert.ok(took > 900 && took < 1_500, `${took}`)
})
