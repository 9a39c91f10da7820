import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import type { Serve } from './connection.ts'
import { LineReader } from './lines.ts'
import { type Listener, type ListenOptions, listen } from './listener.ts'
import { Output } from './output.ts'
import { makeSelfSigned } from './self-signed.ts'
import { createTls } from './tls.ts'

const { cert, key } = makeSelfSigned({ hostname: 'localhost', now: Date.now() })
const tls = createTls({ cert, key, expires: 0, names: '' }).service('test')
const quiet = { debug: () => undefined, warn: () => undefined, error: () => undefined }
const open: Listener[] = []
after(() => Promise.all(open.map((listener) => listener.drain(0))))

/** Answers each line with itself, turned round; `quit` ends. */
const echo: Serve = async ({ socket, secure, admitted }, stop) => {
  const lines = new LineReader(socket, { stop })
  const out = new Output(socket)
  out.write(`hello ${secure ? 'tls' : 'plain'}\r\n`)
  await out.flush()
  for (let line = await lines.readLine(100); line && String(line) !== 'quit'; line = await lines.readLine(100)) {
    if (String(line) === 'login') admitted()
    if (String(line) === 'fail') throw new Error('a fault')
    out.write(`${[...String(line)].reverse().join('')}\r\n`)
    await out.flush()
  }
  out.write('bye\r\n')
  await out.flush()
}

async function start(options: Partial<ListenOptions> = {}): Promise<Listener> {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    mode: 'implicit',
    tls,
    networkOf: (remote) => remote,
    serve: echo,
    log: quiet,
    ...options,
  })
  open.push(listener)
  return listener
}

const plain = (port: number): Socket => connect({ port, host: '127.0.0.1' }).on('error', () => undefined)
const secured = (port: number, options: ConnectionOptions = {}): TLSSocket =>
  connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: cert, ...options }).on('error', () => undefined)

/** What the socket says from now until its end, or until that is `lines` lines. */
async function hear(socket: Socket, lines = Number.POSITIVE_INFINITY): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let text = ''
  const more = (chunk: Buffer): void => {
    text += chunk
    if (text.split('\n').length > lines) finish()
  }
  const finish = (): void => {
    socket.off('data', more).pause()
    resolve(text)
  }
  if (socket.readableEnded) return ''
  socket.on('data', more).once('end', finish).once('close', finish).resume()
  return promise
}

async function empty(listener: Listener): Promise<void> {
  while (listener.connections > 0) await sleep(5)
}

test('implicit TLS: served, with SNI and the address', async () => {
  const seen: unknown[] = []
  const { port } = await start({
    serve: async (connection, stop) => {
      seen.push(connection.remote, connection.secure, connection.servername)
      await echo(connection, stop)
    },
  })
  const client = secured(port)
  assert.equal(await hear(client, 1), 'hello tls\r\n')
  client.write('abc\r\nquit\r\n')
  assert.equal(await hear(client), 'cba\r\nbye\r\n')
  assert.deepEqual(seen, ['127.0.0.1', true, 'localhost'])
})

test('a client that ends its side first still gets its answers', async () => {
  for (const connectTo of [secured, plain]) {
    const { port } = await start({ mode: 'both', detectMs: 50 })
    const client = connectTo(port)
    client.end('abc\r\ndef\r\n')
    assert.match(await hear(client), /cba\r\nfed\r\nbye\r\n$/)
  }
})

test('both: TLS for a client that begins with it, a greeting for one that waits, its own words back for one that speaks first', async () => {
  const { port } = await start({ mode: 'both' })
  const tlsFirst = secured(port)
  assert.equal(await hear(tlsFirst, 1), 'hello tls\r\n')
  tlsFirst.write('quit\r\n')

  const waits = plain(port)
  const from = performance.now()
  assert.equal(await hear(waits, 1), 'hello plain\r\n')
  assert.ok(performance.now() - from > 250)
  waits.write('quit\r\n')

  const speaks = plain(port)
  speaks.write('abc\r\nquit\r\n')
  assert.equal(await hear(speaks), 'hello plain\r\ncba\r\nbye\r\n')
})

test('both: a ClientHello in single octets', async () => {
  const { port } = await start({ mode: 'both' })
  const raw = plain(port)
  const slow = connectTls({ socket: trickle(raw), servername: 'localhost', ca: cert })
  slow.on('error', () => undefined)
  assert.equal(await hear(slow, 1), 'hello tls\r\n')
  slow.destroy()
})

test('ALPN: a match and none are served, a mismatch is refused', async () => {
  const { port } = await start({ alpn: ['pop3'] })
  const match = secured(port, { ALPNProtocols: ['http/1.1', 'pop3'] })
  assert.equal(await hear(match, 1), 'hello tls\r\n')
  assert.equal(match.alpnProtocol, 'pop3')
  match.destroy()
  const mismatch = secured(port, { ALPNProtocols: ['http/1.1'] })
  const [err] = await once(mismatch, 'error')
  assert.match(String(err), /no application protocol/)
})

test('what is no handshake, half of one, or none in time is closed', async () => {
  const from = performance.now()
  const listener = await start({ handshakeMs: 100 })
  for (const words of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01', '']) {
    const client = plain(listener.port)
    if (words) client.write(words)
    client.resume()
    await once(client, 'close')
  }
  const gone = plain(listener.port)
  await once(gone, 'connect')
  gone.end()
  gone.resume()
  await once(gone, 'close')
  await empty(listener)
  assert.ok(performance.now() - from < 1000)
})

test('limits: refused with a word where it can be said, and free again after the connection closed', async () => {
  const listener = await start({ mode: 'starttls', limits: { preAuth: 2 }, onRefused: (why, socket) => socket.write(`421 ${why}\r\n`) })
  const [first, second] = [plain(listener.port), plain(listener.port)]
  await Promise.all([hear(first, 1), hear(second, 1)])
  assert.equal(await hear(plain(listener.port)), '421 pre-auth\r\n')
  first.write('login\r\n')
  assert.equal(await hear(first, 1), 'nigol\r\n')
  const third = plain(listener.port)
  assert.equal(await hear(third, 1), 'hello plain\r\n')
  second.destroy()
  while (listener.connections > 2) await sleep(5)
  const fourth = plain(listener.port)
  assert.equal(await hear(fourth, 1), 'hello plain\r\n')
  for (const client of [first, third, fourth]) client.destroy()
})

test('a session that throws ends its own connection only, and is logged', async () => {
  const errors: string[] = []
  const listener = await start({ log: { ...quiet, error: (_, message) => errors.push(message) } })
  const neighbour = secured(listener.port)
  await hear(neighbour, 1)
  const client = secured(listener.port)
  await hear(client, 1)
  client.write('fail\r\n')
  assert.equal(await hear(client), '')
  assert.deepEqual(errors, ['session failed'])
  neighbour.write('abc\r\n')
  assert.equal(await hear(neighbour, 1), 'cba\r\n')
  neighbour.destroy()
})

test('last words reach a client that is still sending', async () => {
  const { port } = await start({ mode: 'starttls', serve: async ({ socket }) => void socket.write('500 no more\r\n') })
  const client = plain(port)
  const chunk = Buffer.alloc(1 << 20, 'x')
  client.write(chunk)
  await sleep(100)
  assert.equal(await hear(client), '500 no more\r\n')
  client.destroy()
})

test('a client that never closes is closed', async () => {
  const listener = await start({ mode: 'starttls', serve: async () => undefined })
  const client = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', () => undefined)
  client.resume()
  await once(client, 'connect')
  const from = performance.now()
  await empty(listener)
  assert.ok(performance.now() - from < 4000)
  client.destroy()
})

test('close: no new connections, the running ones go on', async () => {
  const listener = await start()
  const client = secured(listener.port)
  await hear(client, 1)
  listener.close()
  await once(plain(listener.port), 'error')
  client.write('abc\r\n')
  assert.equal(await hear(client, 1), 'cba\r\n')
  client.destroy()
})

test('drain: sessions are told, those that do not listen are destroyed, those half open at once', async () => {
  const deaf = Promise.withResolvers<void>()
  const listener = await start({
    mode: 'both',
    detectMs: 20,
    serve: (connection, stop) => (connection.secure ? echo(connection, stop) : deaf.promise),
  })
  const polite = secured(listener.port)
  await hear(polite, 1)
  const rude = plain(listener.port)
  await sleep(50)
  const between = plain(listener.port)
  between.write('\x16')
  await sleep(20)
  const from = performance.now()
  const drained = listener.drain(300)
  assert.equal(await hear(polite), 'bye\r\n')
  assert.ok(performance.now() - from < 250)
  await drained
  assert.equal(listener.connections, 0)
  assert.ok(performance.now() - from >= 250)
  for (const client of [rude, between]) client.destroy()
  deaf.resolve()
})

test('an address in use and a missing certificate are refused at start', async () => {
  const { port } = await start()
  await assert.rejects(start({ port }), /EADDRINUSE/)
  await assert.rejects(listen({ host: '127.0.0.1', port: 0, mode: 'both', networkOf: String, serve: echo, log: quiet }), /certificate/)
})

/** The same socket, but what is written goes out octet by octet. */
function trickle(socket: Socket): Socket {
  const write = socket._write.bind(socket)
  socket._write = (chunk: Buffer, encoding, done) => {
    let at = 0
    const next = (err?: Error | null): void => {
      if (err || at >= Math.min(chunk.length, 50)) write(chunk.subarray(at), encoding, done)
      else write(chunk.subarray(at, ++at), encoding, (e) => setImmediate(next, e))
    }
    next()
  }
  ;(socket as { _writev: unknown })._writev = undefined
  return socket
}

test('a client that leaves within the handshake is gone at once, not when its time is over', async () => {
  const listener = await start()
  const gone = secured(listener.port)
  gone.once('secureConnect', () => gone.destroy())
  const half = plain(listener.port)
  half.end(Buffer.from([22, 3, 1, 2, 0, 1, 0]))
  const began = performance.now()
  await Promise.all([once(gone, 'close'), once(half, 'close')])
  await empty(listener)
  assert.ok(performance.now() - began < 1_000)
})
