/** The client against a server of the test's own, which can do everything wrong. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { decode, encode, type Packet } from 'dns-packet'
import { createDns, type DnsOptions } from './client.ts'
import { DnsTrouble, NoSuchName } from './dns.ts'

type Reply = Packet | Buffer | (Packet | Buffer)[] | undefined
let reply: (query: Packet, by: 'udp' | 'tcp') => Reply
let asked = 0
const udp = createSocket('udp4')
const tcp = createServer((socket) => {
  socket.on('error', () => {})
  socket.on('data', (data) => {
    for (const packet of packetsOf(reply(decode((data as Buffer).subarray(2)), 'tcp'))) {
      const size = Buffer.alloc(2)
      size.writeUInt16BE(packet.length)
      socket.write(size)
      for (const octet of packet) socket.write(Buffer.of(octet))
    }
  })
})
let server: string

const packetsOf = (what: Reply): Buffer[] => (what === undefined ? [] : [what].flat().map((p) => (Buffer.isBuffer(p) ? p : encode(p))))

before(async () => {
  udp.on('message', (packet, from) => {
    asked++
    for (const answer of packetsOf(reply(decode(packet), 'udp'))) udp.send(answer, from.port, from.address)
  })
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  const { port } = udp.address()
  tcp.listen(port, '127.0.0.1')
  await once(tcp, 'listening')
  server = `127.0.0.1:${port}`
})
after(() => {
  udp.close()
  tcp.close()
})
beforeEach(() => {
  asked = 0
})

const QR = 1 << 15
const dns = (more: DnsOptions = {}) => createDns({ servers: [server], timeout: 200, tries: 1, ...more })
const answering =
  (answers: Packet['answers'], flags = 0, more: Partial<Packet> = {}) =>
  ({ id, questions }: Packet): Packet => ({ type: 'response', id: id!, flags: flags | QR, questions: questions!, answers: answers!, ...more })

test('records of each type, in any case, through aliases', async () => {
  reply = answering([
    { type: 'CNAME', name: 'Mail.X.test', ttl: 60, data: 'real.x.test' },
    { type: 'A', name: 'REAL.x.test', ttl: 60, data: '192.0.2.7' },
    { type: 'A', name: 'unasked.test', ttl: 60, data: '192.0.2.8' },
  ])
  assert.deepEqual(await dns().ask('mail.x.test.', 'A'), { records: ['192.0.2.7'], secure: false, name: 'real.x.test' })
  reply = answering([
    { type: 'MX', name: 'x.test', ttl: 60, data: { preference: 10, exchange: 'MX.x.test' } },
    { type: 'MX', name: 'x.test', ttl: 60, data: { preference: 0, exchange: '.' } },
  ])
  assert.deepEqual((await dns().ask('x.test', 'MX')).records, [
    { preference: 10, exchange: 'mx.x.test' },
    { preference: 0, exchange: '' },
  ])
  reply = answering([{ type: 'TXT', name: 'x.test', ttl: 60, data: [Buffer.from('v=spf1 '), Buffer.from('-all')] }])
  assert.deepEqual((await dns().ask('x.test', 'TXT')).records, ['v=spf1 -all'])
})

test('what DNSSEC proves counts only from a resolver that is trusted', async () => {
  reply = answering([{ type: 'A', name: 'x.test', ttl: 60, data: '192.0.2.7' }], 1 << 5)
  assert.equal((await dns().ask('x.test', 'A')).secure, false)
  assert.equal((await dns({ validates: true }).ask('x.test', 'A')).secure, true)
})

test('no such name, no such records, and trouble', async () => {
  reply = answering([], 3)
  await assert.rejects(dns().ask('x.test', 'A'), NoSuchName)
  reply = answering([])
  assert.deepEqual((await dns().ask('x.test', 'A')).records, [])
  for (const rcode of [1, 2, 4, 5]) {
    reply = answering([], rcode)
    await assert.rejects(dns().ask('x.test', 'A'), DnsTrouble)
  }
  reply = () => undefined
  await assert.rejects(dns().ask('x.test', 'A'), DnsTrouble)
  for (const name of ['', 'a..b', 'x'.repeat(64), `${'a.'.repeat(127)}b`, 'a b', 'é.test'])
    await assert.rejects(dns().ask(name, 'A'), NoSuchName, name)
})

test('an answer to another question is no answer; a cut one is asked for by TCP', async () => {
  const right = answering([{ type: 'A', name: 'x.test', ttl: 60, data: '192.0.2.7' }])
  const lie = { type: 'A', name: 'x.test', ttl: 60, data: '192.0.2.66' } as const
  reply = (query) => [
    Buffer.from('rubbish'),
    { ...answering([lie])(query), id: (query.id! + 1) % 65_536 },
    { ...answering([lie])(query), questions: [{ type: 'A', name: 'y.test' }] },
    { ...answering([lie])(query), questions: [{ type: 'AAAA', name: 'x.test' }] },
    right(query),
  ]
  assert.deepEqual((await dns().ask('x.test', 'A')).records, ['192.0.2.7'])
  reply = (query, by) => (by === 'udp' ? answering([], 1 << 9)(query) : right(query))
  assert.deepEqual((await dns().ask('x.test', 'A')).records, ['192.0.2.7'])
  reply = (query) => answering([], 1 << 9)(query)
  await assert.rejects(dns().ask('x.test', 'A'), DnsTrouble)
})

test('aliases that go in circles are trouble', async () => {
  reply = answering([
    { type: 'CNAME', name: 'a.test', ttl: 60, data: 'b.test' },
    { type: 'CNAME', name: 'b.test', ttl: 60, data: 'a.test' },
  ])
  await assert.rejects(dns().ask('a.test', 'A'), DnsTrouble)
})

test('an answer is kept for its time, one that there is nothing too, trouble is not; the same question is asked once', async () => {
  const one = dns()
  reply = answering([{ type: 'A', name: 'x.test', ttl: 60, data: '192.0.2.7' }])
  await Promise.all([one.ask('x.test', 'A'), one.ask('X.test', 'A')])
  await one.ask('x.test', 'A')
  assert.equal(asked, 1)
  reply = answering([{ type: 'A', name: 'short.test', ttl: 0, data: '192.0.2.7' }])
  await one.ask('short.test', 'A')
  await one.ask('short.test', 'A')
  assert.equal(asked, 3)
  reply = answering([], 3)
  for (let i = 0; i < 3; i++) await assert.rejects(one.ask('none.test', 'A'), NoSuchName)
  assert.equal(asked, 4)
  reply = answering([], 2)
  for (let i = 0; i < 3; i++) await assert.rejects(one.ask('broken.test', 'A'), DnsTrouble)
  assert.equal(asked, 7)
})

test('what is kept is bounded in octets too: answers as long as they may be drive each other out', async () => {
  const one = dns({ timeout: 2_000 })
  const data = Array.from({ length: 180 }, () => Buffer.alloc(250, 'x'))
  reply = (query) => answering([{ type: 'TXT', name: query.questions![0]!.name, ttl: 3_600, data }])(query)
  await one.ask('first.test', 'TXT')
  await one.ask('first.test', 'TXT')
  assert.equal(asked, 1)
  const many = Math.ceil((33 * 1024 * 1024) / 45_000)
  for (let i = 0; i < many; i++) await one.ask(`n${i}.test`, 'TXT')
  await one.ask('first.test', 'TXT')
  await one.ask(`n${many - 1}.test`, 'TXT')
  assert.equal(asked, many + 2)
})

test('where there is no way there is no answer, and no more than that', async () => {
  for (const nowhere of ['255.255.255.255', '[ff00::1]', '[::ffff:255.255.255.255]', '0.0.0.0:1', '127.0.0.1:1'])
    await assert.rejects(dns({ servers: [nowhere] }).ask('x.test', 'A'), DnsTrouble, nowhere)
})

test('a server that is away is passed over', async () => {
  reply = answering([{ type: 'A', name: 'x.test', ttl: 60, data: '192.0.2.7' }])
  assert.deepEqual((await dns({ servers: ['127.0.0.1:1', server] }).ask('x.test', 'A')).records, ['192.0.2.7'])
})

test('a flood of questions that nobody answers keeps nobody else waiting: of other zones, and of who asks apart', async () => {
  const one = dns({ timeout: 300 })
  const strangers = one.apart()
  const right = (query: Packet) => answering([{ type: 'A', name: query.questions![0]!.name, ttl: 60, data: '192.0.2.7' }])(query)
  reply = (query) => (/dead/.test(query.questions![0]!.name) ? undefined : right(query))
  const gone: Promise<unknown>[] = []
  const flood = (by: { ask(name: string, type: 'A'): Promise<unknown> }, name: (i: number) => string): void => {
    for (let i = 0; i < 250; i++) gone.push(by.ask(name(i), 'A').catch(() => undefined))
  }
  const quick = async (by: typeof strangers, name: string): Promise<void> => {
    const began = performance.now()
    assert.deepEqual((await by.ask(name, 'A')).records, ['192.0.2.7'])
    assert.ok(performance.now() - began < 250, `${name} took ${performance.now() - began} ms`)
  }
  // Names of one zone, and then of as many, which are the strangers' own, with what we ask for too.
  flood(one, (i) => `n${i}.dead.test`)
  await quick(one, 'alive.test')
  flood(strangers, (i) => `dead${i}.test`)
  const theirs = strangers.ask('shared.test', 'A')
  await quick(one, 'shared.test')
  await quick(one, 'other.test')
  await Promise.all([theirs, ...gone])
})
