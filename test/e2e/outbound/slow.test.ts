/** Servers that answer everything in time, and take for ever: of each message they have what it asks for, and no more. RFC 5321 §4.5.3.2. */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientOptions, SmtpClient } from '../../../src/smtp/outbound/client.ts'
import type { OutgoingMail } from '../../../src/smtp/outbound/envelope.ts'
import { CutOff, Failure } from '../../../src/smtp/outbound/failure.ts'
import { CLIENT_TIMEOUTS, envelopeMs, textMs } from '../../../src/smtp/outbound/timeouts.ts'
import { NOTIFY } from '../../../src/store/queue.ts'
import { type Peer, startPeer } from './peer.ts'

let peer: Peer
const open: SmtpClient[] = []
beforeEach(async () => {
  peer = await startPeer()
})
afterEach(async () => {
  for (const client of open.splice(0)) client.close()
  await peer.close()
})

const TIMES = { connect: 1_000, greeting: 500, command: 500, data: 500, block: 500, dot: 500, handshake: 1_000, recipient: 10 }
async function connect(more: Partial<ClientOptions> = {}): Promise<SmtpClient> {
  const options = { host: 'localhost', address: '127.0.0.1', port: peer.port, hostname: 'us.test', tls: { kind: 'opportunistic' } } as const
  const client = await SmtpClient.open({ ...options, timeouts: TIMES, ...more })
  open.push(client)
  return client
}
const mail = (recipients: number, size = 20): OutgoingMail => ({
  ...{ reversePath: 'a@us.test', size, eightBit: false, utf8: false, requireTls: false },
  recipients: Array.from({ length: recipients }, (_, i) => ({ address: `r${i}@them.test`, notify: NOTIFY.failure })),
})
async function* text(): AsyncGenerator<Buffer> {
  yield Buffer.from('Subject: x\r\n\r\ny\r\n')
}
const sure = async (): Promise<boolean> => true
const failure = (what: Promise<unknown>): Promise<unknown> =>
  what.then(
    () => assert.fail('it worked'),
    (why: unknown) => why,
  )
async function timed<T>(work: Promise<T>): Promise<[T, ms: number]> {
  const began = performance.now()
  return [await work, performance.now() - began]
}

test('up to the first MAIL: every answer just in time, and all of them too late', async () => {
  peer.delay = () => 400
  const [why, ms] = await timed(failure(connect({ timeouts: { ...TIMES, begin: 700 } })))
  assert.ok(why instanceof Failure && why.elsewhere && !why.permanent, String(why))
  assert.match(why.said, /localhost is too slow/)
  assert.ok(ms < 1_500, `${ms}`)
  await connect()
})

test('each RCPT answered just in time: who was taken has it, the others wait; without PIPELINING', async () => {
  peer.extensions = []
  const client = await connect()
  peer.script = (line) => (line.includes('<r1@') ? '550 5.1.1 no' : undefined)
  peer.delay = () => 300
  const [said, ms] = await timed(client.send(mail(20), text, sure))
  assert.ok(ms < 3_000, `${ms}`)
  const taken = said.flatMap((one, i) => (one instanceof Failure ? [] : [i]))
  assert.ok(taken.length >= 1 && taken.length <= 4, `${taken}`)
  assert.deepEqual(
    peer.took.map(({ to }) => to),
    [taken.map((i) => `r${i}@them.test`)],
  )
  const [, refused] = said
  assert.ok(refused instanceof Failure && refused.permanent)
  for (const one of said.slice(5)) assert.ok(one instanceof Failure && !one.permanent && /too slow/.test(one.said))
})

test('the same with PIPELINING: nobody has it, and who was refused is', async () => {
  const client = await connect()
  peer.script = (line) => (line.includes('<r1@') ? '550 5.1.1 no' : undefined)
  peer.delay = () => 300
  const [why, ms] = await timed(failure(client.send(mail(20), text, sure)))
  assert.ok(ms < 2_500, `${ms}`)
  assert.ok(why instanceof CutOff && why.elsewhere && !why.permanent, String(why))
  assert.match(why.said, /too slow/)
  assert.deepEqual(
    why.refused.slice(0, 3).map((one) => one?.permanent),
    [undefined, true, undefined],
  )
  assert.deepEqual([peer.took.length, client.usable], [0, false])
})

test('an honest slow one has time for as many as it is asked for', async () => {
  const client = await connect({ timeouts: { ...TIMES, recipient: 120 } })
  peer.delay = () => 100
  const said = await client.send(mail(20), text, sure)
  assert.ok(said.every((one) => !(one instanceof Failure)))
})

test('a text that is taken drop by drop is given up before its dot', async () => {
  // It takes some MiB a second, and is asked for more.
  const server = createServer(async (socket) => {
    socket.on('error', () => {}).pause()
    for (const answer of ['220 hi', '250 slow', '250 ok', '250 ok', '354 go']) {
      socket.write(`${answer}\r\n`)
      while (answer !== '354 go' && !socket.read()) await sleep(5)
    }
    while (!socket.destroyed) {
      socket.read()
      await sleep(20)
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  try {
    const client = await connect({
      port: (server.address() as AddressInfo).port,
      timeouts: { ...TIMES, block: 1_000, octetsPerSecond: 64 * 1024 * 1024 },
    })
    const block = Buffer.alloc(64 * 1024, 'y'.repeat(70).concat('\r\n'))
    let asked = false
    const size = 64 * 1024 * 1024
    async function* long(): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < size; sent += block.length) yield block
    }
    const sending = client.send(mail(1, size), long, async () => (asked = true))
    const [why, ms] = await timed(failure(sending))
    assert.ok(why instanceof Failure && !why.permanent && /too slow/.test(why.said), String(why))
    assert.ok(ms < 5_000 && !asked, `${ms}`)
  } finally {
    for (const client of open.splice(0)) client.close()
    await new Promise((done) => server.close(done))
  }
})

test('one message holds a place of the queue for less than an hour and a quarter, unless it is large', () => {
  const minutes = (recipients: number, octets: number): number => {
    const { begin, block, dot } = CLIENT_TIMEOUTS
    return (begin + envelopeMs(CLIENT_TIMEOUTS, recipients) + textMs(CLIENT_TIMEOUTS, octets) + block + dot) / 60_000
  }
  assert.ok(minutes(1, 10_000) < 45)
  assert.ok(minutes(100, 1_000_000) < 75)
  // As long as RFC 5321 wants each answer waited for, where there is one of each.
  assert.ok(envelopeMs(CLIENT_TIMEOUTS, 1) >= 12 * 60_000)
})
