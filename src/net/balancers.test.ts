/** Connections that a load balancer passes on; it is this process, on loopback, which is named as one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { Balancers, MAX_AWAITING } from './balancers.ts'
import type { Connection, Serve } from './connection.ts'
import { HIDDEN_CLIENTS } from './gateways.ts'
import { type Listener, type ListenOptions, listen } from './listener.ts'
import { makeSelfSigned } from './self-signed.ts'
import { createTls } from './tls.ts'

const { cert, key } = makeSelfSigned({ hostname: 'localhost', now: Date.now() })
const tls = createTls({ cert, key, expires: 0, names: '' }).service('test')
const open: Listener[] = []
after(() => Promise.all(open.map((listener) => listener.drain(0))))

const CLIENT = '192.0.2.7'
const V1 = `PROXY TCP4 ${CLIENT} 192.0.2.25 54321 25\r\n`
const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000207c0000219d4310019', 'hex')
const LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex')

interface Said {
  readonly level: string
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** Greets with who the client is, repeats what it says. */
async function start(options: Partial<ListenOptions> = {}): Promise<Listener & { readonly seen: Connection[]; readonly said: Said[] }> {
  const seen: Connection[] = []
  const said: Said[] = []
  const saying = (level: string) => (fields: object, message: string) => void said.push({ level, fields: { ...fields }, message })
  const serve: Serve = async (connection, stop) => {
    const { socket, remote, secure } = connection
    seen.push(connection)
    socket.write(`hello ${remote} ${secure ? 'tls' : 'plain'}\r\n`)
    socket.on('data', (chunk: Buffer) => socket.write(chunk))
    await Promise.race([once(socket, 'end'), once(socket, 'close'), once(stop, 'abort')])
  }
  const listener = await listen({
    ...{ host: '127.0.0.1', port: 0, mode: 'starttls', tls, proxyFrom: ['127.0.0.1'], proxyHeaderMs: 300, networkOf: (remote) => remote, serve },
    log: { debug: saying('debug'), warn: saying('warn'), error: saying('error') },
    ...options,
  })
  open.push(listener)
  return Object.assign(listener, { seen, said })
}

const dial = (port: number, localAddress = '127.0.0.1'): Socket =>
  connect({ port, host: '127.0.0.1', localAddress, noDelay: true }).on('error', () => undefined)

/** All that is said until it ends with this, or until the end of the connection. */
async function hear(socket: Socket, end: string): Promise<string> {
  let text = ''
  if (socket.destroyed) return text
  const { promise, resolve } = Promise.withResolvers<void>()
  const more = (chunk: Buffer): void => {
    text += chunk
    if (text.endsWith(end)) resolve()
  }
  socket.on('data', more).once('end', resolve).once('close', resolve)
  await promise
  socket.off('data', more)
  return text
}

const warnings = ({ said }: { said: Said[] }): Said[] => said.filter(({ level }) => level !== 'debug')

test('plain: the client of the header is greeted, with what it said in the same segment', async () => {
  const listener = await start()
  for (const header of [Buffer.from(V1), V2]) {
    const socket = dial(listener.port)
    socket.write(Buffer.concat([header, Buffer.from('first words\r\n')]))
    assert.equal(await hear(socket, 'words\r\n'), `hello ${CLIENT} plain\r\nfirst words\r\n`)
    socket.write('second words\r\n')
    assert.equal(await hear(socket, 'words\r\n'), 'second words\r\n')
    socket.destroy()
  }
  assert.ok(listener.seen.every(({ isProbe }) => isProbe === undefined))
  assert.deepEqual(warnings(listener), [])
})

test('split at every octet: the same', async () => {
  const listener = await start({ limits: { exempt: [CLIENT] } })
  for (const header of [Buffer.from(V1), V2]) {
    const sockets = Array.from({ length: header.length - 1 }, () => dial(listener.port))
    await Promise.all(
      sockets.map(async (socket, i) => {
        socket.write(header.subarray(0, i + 1))
        await sleep(60)
        socket.write(Buffer.concat([header.subarray(i + 1), Buffer.from('words\r\n')]))
        assert.equal(await hear(socket, 'words\r\n'), `hello ${CLIENT} plain\r\nwords\r\n`)
        socket.destroy()
      }),
    )
  }
})

for (const mode of ['implicit', 'both'] as const) {
  for (const [name, oneByOne] of [
    ['header and ClientHello in one segment', false],
    ['header and ClientHello octet by octet', true],
  ] as const) {
    test(`${mode}: ${name}`, async () => {
      const listener = await start({ mode, proxyHeaderMs: 5000 })
      const socket = dial(listener.port)
      await once(socket, 'connect')
      const secure = connectTls({ socket: behind(socket, V2, oneByOne), servername: 'localhost', ca: cert }).on('error', () => undefined)
      assert.equal(await hear(secure, '\r\n'), `hello ${CLIENT} tls\r\n`)
      secure.write('words\r\n')
      assert.equal(await hear(secure, '\r\n'), 'words\r\n')
      assert.equal(listener.seen[0]?.servername, 'localhost')
      secure.destroy()
      socket.destroy()
    })
  }
}

test('both: the wait for a client that says nothing begins with the end of the header', async () => {
  const { port } = await start({ mode: 'both', detectMs: 150 })
  const socket = dial(port)
  await sleep(200)
  const from = performance.now()
  socket.write(V2)
  assert.equal(await hear(socket, '\r\n'), `hello ${CLIENT} plain\r\n`)
  assert.ok(performance.now() - from >= 145)
  socket.destroy()
})

test('limits count the client, not the balancer; an exempt balancer exempts nobody', async () => {
  const listener = await start({ limits: { perRemote: 2, newPerMinute: 100, exempt: ['127.0.0.1'] } })
  const from = async (address: string): Promise<string> => {
    const socket = dial(listener.port)
    socket.write(V1.replace(CLIENT, address))
    return hear(socket, '\r\n')
  }
  assert.match(await from(CLIENT), /hello/)
  assert.match(await from(CLIENT), /hello/)
  assert.equal(await from(CLIENT), '')
  assert.match(await from('192.0.2.8'), /hello/)
  assert.match(await from('::ffff:192.0.2.9'), /^$/, 'not in the form of TCP4')
})

test("the balancer's own connections are served, at any rate, and the log says nothing of them", async () => {
  const listener = await start({ limits: { perRemote: 1, newPerMinute: 1, exempt: [] } })
  for (const header of [LOCAL, LOCAL, 'PROXY UNKNOWN\r\n']) {
    const socket = dial(listener.port)
    socket.write(header)
    assert.equal(await hear(socket, '\r\n'), 'hello 127.0.0.1 plain\r\n')
  }
  dial(listener.port).end() // A check that connects and no more.
  dial(listener.port).end('PROXY')
  await sleep(50)
  assert.deepEqual(
    listener.seen.map(({ isProbe }) => isProbe),
    [true, true, true],
  )
  assert.deepEqual(warnings(listener), [])
})

test('no header, half of one, one octet at a time, a lie: closed in time, without a word', async () => {
  const listener = await start()
  const from = performance.now()
  const slow = dial(listener.port)
  const drip = setInterval(() => slow.write('PROXY UNKNOWN '.at(slow.bytesWritten) ?? 'x'), 50)
  const ends = [
    hear(slow, '\r\n'),
    ...['', 'PROXY TCP4 192.0', V2.subarray(0, 20), V2.subarray(0, 5)].map((words) => {
      const socket = dial(listener.port)
      socket.write(words)
      return hear(socket, '\r\n')
    }),
  ]
  assert.deepEqual(await Promise.all(ends), ['', '', '', '', ''])
  clearInterval(drip)
  const ms = performance.now() - from
  assert.ok(ms > 250 && ms < 2_000, `${ms} ms`)
  for (const words of ['EHLO x\r\n', '\x16\x03\x01\x02', V1.replace(CLIENT, '127.0.0.1'), 'PROXY TCP6 ::1 ::1 1 25\r\n']) {
    const socket = dial(listener.port)
    socket.write(words)
    assert.equal(await hear(socket, '\r\n'), '', JSON.stringify(words))
  }
  assert.deepEqual(listener.seen, [])
  assert.equal(warnings(listener).length, 1, 'one line a minute')
})

test('from anybody else a header is wrong octets like others', async () => {
  const listener = await start({ proxyFrom: ['127.0.0.9', '2001:db8::/32'] })
  const socket = dial(listener.port)
  socket.write(V1)
  assert.equal(await hear(socket, '25\r\n'), `hello 127.0.0.1 plain\r\n${V1}`)
  socket.destroy()
  const named = dial(listener.port, '127.0.0.9')
  named.write(V1)
  assert.equal(await hear(named, '\r\n'), `hello ${CLIENT} plain\r\n`)
  named.destroy()
  const { port } = await start({ mode: 'implicit', proxyFrom: [] })
  const raw = dial(port)
  raw.write(V2)
  raw.resume()
  await once(raw, 'close')
})

test('a balancer on a socket of both families, where its address is mapped', async () => {
  const listener = await start({ host: '::', proxyFrom: ['::ffff:127.0.0.0/104'] })
  const socket = dial(listener.port)
  socket.write(`PROXY TCP6 ::ffff:${CLIENT} ::ffff:192.0.2.25 1 25\r\n`)
  assert.equal(await hear(socket, '\r\n'), `hello ${CLIENT} plain\r\n`)
  socket.destroy()
})

test('10,000 headers of garbage: all closed, the next client served, few lines in the log', async () => {
  const listener = await start({ proxyHeaderMs: 5000 })
  const before = process.memoryUsage().rss
  const garbage = [V1.replace('TCP4', 'TCP5'), 'x'.repeat(4096), V2.subarray(0, 12).toString('latin1') + '\xff'.repeat(4000), V1.replace('\r', '')]
  for (let round = 0; round < 50; round++)
    await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const socket = dial(listener.port)
        socket.write(Buffer.from(garbage[i % garbage.length]!, 'latin1'))
        socket.resume()
        await once(socket, 'close')
      }),
    )
  const socket = dial(listener.port)
  socket.write(V2)
  assert.equal(await hear(socket, '\r\n'), `hello ${CLIENT} plain\r\n`)
  socket.destroy()
  assert.equal(warnings(listener).length, 1)
  assert.ok(process.memoryUsage().rss - before < 200e6)
})

test('only so many wait for their header, and a drain does not wait for them', async () => {
  const balancers = new Balancers({ from: ['127.0.0.1'], headerMs: 200, maxAwaiting: 2, log: { warn: () => undefined } })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted: Promise<unknown>[] = []
  const all = Promise.withResolvers<void>()
  server.on('connection', (socket) => {
    const over = balancers.clientOf(socket, '127.0.0.1').catch((err: Error) => err.message)
    accepted.push(over.finally(() => socket.destroy()))
    if (accepted.length === 3) all.resolve()
  })
  for (let i = 0; i < 3; i++) dial((server.address() as AddressInfo).port)
  await all.promise
  const outcomes = await Promise.all(accepted)
  server.close()
  assert.deepEqual(outcomes, ['no PROXY header came in time', 'no PROXY header came in time', 'too many connections wait for their PROXY header'])
  assert.ok(MAX_AWAITING > 511, 'a whole backlog of Node may come at once')

  const listener = await start({ proxyHeaderMs: 60_000 })
  const waiting = dial(listener.port)
  while (listener.connections === 0) await sleep(5)
  await listener.drain(60_000)
  assert.equal(await hear(waiting, '\r\n'), '')
})

test('clients that all come from a gateway: said once; together they get half, and nobody locks out those whose address is seen', async () => {
  const listener = await start({ limits: { perRemote: 2, newPerMinute: 2, preAuth: 2 * HIDDEN_CLIENTS + 2, shared: ['172.17.0.1'] } })
  const from = async (address: string): Promise<string> => {
    const socket = dial(listener.port)
    socket.write(V1.replace(CLIENT, address))
    return hear(socket, '\r\n')
  }
  for (let i = 0; i <= HIDDEN_CLIENTS; i++) {
    assert.match(await from('172.17.0.1'), /hello/)
    assert.equal(warnings(listener).length, i + 1 < HIDDEN_CLIENTS ? 0 : 1)
  }
  assert.equal(await from('172.17.0.1'), '', 'the half that this crowd may have')
  assert.match(await from(CLIENT), /hello/)
  const [said, ...more] = warnings(listener)
  assert.deepEqual([said?.level, said?.fields['remote'], more], ['error', '172.17.0.1', []])
  assert.match(said!.message, /docs\/operations\.md/)
})

/** The way to a socket over which the first octets that are written go out behind these: together, or one by one. */
function behind(socket: Socket, octets: Buffer, oneByOne: boolean): Duplex {
  let first = octets
  const write = async (chunk: Buffer): Promise<void> => {
    const all = Buffer.concat([first, chunk])
    const slowly = first.length > 0 && oneByOne ? octets.length + 40 : 0
    first = Buffer.alloc(0)
    for (let at = 0; at < slowly; at++) {
      socket.write(all.subarray(at, at + 1))
      await sleep(1)
    }
    socket.write(all.subarray(slowly))
  }
  const way = new Duplex({ read: () => undefined, write: (chunk: Buffer, _, done) => void write(chunk).then(() => done(), done) })
  socket.on('data', (chunk: Buffer) => way.push(chunk)).on('close', () => way.destroy())
  return way
}
