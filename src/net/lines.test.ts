import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { Disconnected } from './connection.ts'
import { IdleTimeout, LineReader, LineTooLong, TooSlow, UNREAD_LIMIT } from './lines.ts'

/** A socket whose input the test pushes by hand. */
class Wire extends Duplex {
  constructor() {
    super({ readableHighWaterMark: 1 << 30 })
  }
  override _read(): void {}
  override _write(_: Buffer, __: string, done: () => void): void {
    done()
  }
  say(...pieces: (string | Buffer)[]): this {
    for (const piece of pieces) this.push(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    return this
  }
}

async function pair(): Promise<{ client: Socket; server: Socket; [Symbol.asyncDispose](): Promise<void> }> {
  const listener = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const client = connect((listener.address() as { port: number }).port, '127.0.0.1')
  client.on('error', () => undefined)
  const [server] = (await once(listener, 'connection')) as [Socket]
  server.on('error', () => undefined)
  const end = async (): Promise<void> => {
    client.destroy()
    server.destroy()
    listener.close()
    await once(listener, 'close')
  }
  return { client, server, [Symbol.asyncDispose]: end }
}

async function allLines(reader: LineReader, max = 1000): Promise<string[]> {
  const lines: string[] = []
  for (let line = await reader.readLine(max); line; line = await reader.readLine(max)) lines.push(line.toString('latin1'))
  return lines
}

const INPUTS: [name: string, input: string, lines: string[]][] = [
  ['CRLF', 'a\r\nbc\r\n', ['a', 'bc']],
  ['bare LF', 'a\nb\n', ['a', 'b']],
  ['empty lines', '\r\n\n\r\n', ['', '', '']],
  ['a CR within, and two before the LF', 'a\rb\r\r\n', ['a\rb\r']],
  ['octets above 127 and NUL', '\xff\x00\xe9\r\n', ['\xff\x00\xe9']],
  ['an unfinished last line is dropped', 'done\r\nunfinis', ['done']],
  ['nothing', '', []],
]
for (const [name, input, lines] of INPUTS)
  test(`lines: ${name}, split at every octet`, async () => {
    for (let cut = 0; cut <= input.length; cut++) {
      const wire = new Wire()
      const got = allLines(new LineReader(wire))
      wire.say(input.slice(0, cut) || Buffer.alloc(0))
      await new Promise(setImmediate)
      wire.say(input.slice(cut) || Buffer.alloc(0)).push(null)
      assert.deepEqual(await got, lines, `cut at ${cut}`)
    }
    const wire = new Wire()
    const got = allLines(new LineReader(wire))
    for (const octet of input) {
      wire.say(octet)
      await new Promise(setImmediate)
    }
    wire.push(null)
    assert.deepEqual(await got, lines, 'octet by octet')
  })

test('lines that wait keep what they were, when more comes into the same block', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  wire.say('first\r\n', 'sec', 'ond\r\nth')
  await new Promise(setImmediate)
  const first = await reader.readLine(100)
  const second = await reader.readLine(100)
  wire.say('ird\r\n')
  const third = await reader.readLine(100)
  assert.deepEqual([first, second, third].map(String), ['first', 'second', 'third'])
})

for (const [octets, end, fits] of [
  [10, '\r\n', true],
  [10, '\n', true],
  [11, '\r\n', false],
  [11, '\n', false],
] as const)
  test(`a line of ${octets} octets and ${JSON.stringify(end)} under a cap of 10: ${fits}`, async () => {
    const read = new LineReader(new Wire().say(`${'x'.repeat(octets)}${end}`)).readLine(10)
    if (fits) assert.equal((await read)?.length, 10)
    else await assert.rejects(read, LineTooLong)
  })

test('a line without an end is refused at the cap, not buffered', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const read = reader.readLine(8192)
  let sent = 0
  const refused = assert.rejects(read, LineTooLong).then(() => sent)
  for (; sent < 100_000; sent += 1000) {
    wire.say('x'.repeat(1000))
    await new Promise(setImmediate)
  }
  assert.ok((await refused) <= 8192 + 2000, 'refused as soon as it was too long')
})

test('lines and literals mixed, octet by octet', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  for (const octet of 'a {5}\r\n12\r\n5 tail\r\n{3}\r\nabcNOOP\r\n') wire.say(octet)
  wire.push(null)
  assert.equal(String(await reader.readLine(100)), 'a {5}')
  assert.equal(String(await reader.readExact(5)), '12\r\n5')
  assert.equal(String(await reader.readLine(100)), ' tail')
  assert.equal(String(await reader.readLine(100)), '{3}')
  const parts: Buffer[] = []
  for await (const part of reader.stream(3)) parts.push(part)
  assert.equal(String(Buffer.concat(parts)), 'abc')
  assert.equal(String(await reader.readLine(100)), 'NOOP')
  assert.equal(await reader.readLine(100), undefined)
})

test('no octets are no octets', async () => {
  const reader = new LineReader(new Wire().say('x\r\n'))
  assert.equal((await reader.readExact(0)).length, 0)
  for await (const _ of reader.stream(0)) assert.fail()
  assert.equal(String(await reader.readLine(10)), 'x')
})

test('a literal that is cut short throws', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  wire.say('12').push(null)
  await assert.rejects(reader.readExact(3), Disconnected)
})

test('25 MiB in pieces of 1,460 octets and in single octets cost linear time', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const piece = Buffer.alloc(1460, 1)
  const total = 25 << 20
  const feed = async (): Promise<void> => {
    for (let sent = 0; sent < total; sent += piece.length) {
      wire.push(piece.subarray(0, Math.min(piece.length, total - sent)))
      if (sent % (piece.length * 64) === 0) await new Promise(setImmediate)
    }
  }
  const before = process.cpuUsage()
  const fed = feed()
  let seen = 0
  for await (const part of reader.stream(total)) seen += part.length
  await fed
  assert.equal(seen, total)
  for (let i = 0; i < 1 << 16; i++) wire.push(Buffer.from([i & 0xff]))
  assert.equal((await reader.readExact(1 << 16))[0xabcd], 0xcd)
  const { user, system } = process.cpuUsage(before)
  assert.ok((user + system) / 1e6 < 2, `${(user + system) / 1e6} s of CPU`)
})

test('input that nobody reads pauses the socket, and nothing is lost or reordered', async () => {
  await using wire = await pair()
  const reader = new LineReader(wire.server)
  const sent = 40_000
  let written = 0
  const send = (): void => {
    while (written < sent) if (!wire.client.write(`NOOP ${written++} ${'x'.repeat(100)}\r\n`)) return
  }
  wire.client.on('drain', send)
  send()
  while (!wire.server.isPaused()) await new Promise((done) => setTimeout(done, 5))
  await new Promise((done) => setTimeout(done, 100))
  assert.ok(wire.server.bytesRead < UNREAD_LIMIT * 4, `${wire.server.bytesRead} octets taken from the kernel`)
  for (let i = 0; i < sent; i++) assert.equal(String(await reader.readLine(200)).split(' ')[1], String(i))
})

test('small pieces that wait are copied together', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const octets = UNREAD_LIMIT - 1
  for (let i = 0; i < octets; i++) wire.push(Buffer.from([i & 0xff]))
  await new Promise((done) => setTimeout(done, 50))
  let parts = 0
  let seen = 0
  for await (const part of reader.stream(octets)) {
    parts++
    for (const octet of part) assert.equal(octet, seen++ & 0xff)
  }
  assert.ok(parts < 30, `${parts} buffers were kept for ${octets} octets`)
})

test('a read that waits ends with the stream, with destroy, and with stop', async () => {
  const ended = new Wire()
  const read = new LineReader(ended).readLine(10)
  ended.push(null)
  assert.equal(await read, undefined)

  const destroyed = new Wire()
  const reader = new LineReader(destroyed)
  const waiting = reader.readLine(10)
  destroyed.destroy()
  assert.equal(await waiting, undefined)
  await assert.rejects(reader.readExact(1), Disconnected)

  const stop = new AbortController()
  const wire = new Wire()
  const stopped = new LineReader(wire, { stop: stop.signal })
  const last = stopped.readLine(10)
  stop.abort()
  assert.equal(await last, undefined)
  wire.say('NOOP\r\nabc')
  assert.equal(await stopped.readLine(10), undefined, 'no further command')
})

test('stop does not cut a literal short', async () => {
  const stop = new AbortController()
  const wire = new Wire()
  const read = new LineReader(wire, { stop: stop.signal }).readExact(4)
  wire.say('ab')
  stop.abort()
  await new Promise(setImmediate)
  wire.say('cd')
  assert.equal(String(await read), 'abcd')
})

test('an error of the socket ends reading, and what it had said is not acted on', async () => {
  const wire = new Wire().say('DELE 1\r\n')
  const reader = new LineReader(wire)
  await new Promise(setImmediate)
  wire.destroy(new Error('ECONNRESET'))
  await new Promise(setImmediate)
  assert.equal(await reader.readLine(10), undefined)
})

test('idleMs counts until the line is whole: single octets do not extend it', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const drip = setInterval(() => wire.say('x'), 10)
  const start = performance.now()
  await assert.rejects(reader.readLine(1000, { idleMs: 100 }), IdleTimeout)
  const took = performance.now() - start
  clearInterval(drip)
  assert.ok(took >= 95 && took < 1000, `${took} ms`)
  wire.say('\r\n')
  assert.match(String(await reader.readLine(1000, { idleMs: 1000 })), /^x+$/)
})

test('a shorter time after a longer one, and a longer after a shorter', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  wire.say('a\r\n')
  const first = reader.readLine(10, { idleMs: 60_000 })
  assert.equal(String(await first), 'a')
  await assert.rejects(reader.readLine(10, { idleMs: 30 }), IdleTimeout)
  const late = reader.readLine(10, { idleMs: 300 })
  setTimeout(() => wire.say('b\r\n'), 100)
  assert.equal(String(await late), 'b')
})

test('octets that come too slowly', async () => {
  const pace = { octetsPerSecond: 1000, graceMs: 100, totalMs: 10_000 }
  for (const [every, ok] of [
    [40, false],
    [1, true],
  ] as const) {
    const wire = new Wire()
    const reader = new LineReader(wire, { pace })
    const drip = setInterval(() => wire.say(ok ? 'x'.repeat(20) : 'x'), every)
    const read = reader.readExact(400)
    if (ok) assert.equal((await read).length, 400)
    else await assert.rejects(read, TooSlow)
    clearInterval(drip)
  }
})

test('counted octets have an absolute limit', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire, { pace: { octetsPerSecond: 1, graceMs: 10_000, totalMs: 100 } })
  const drip = setInterval(() => wire.say('x'.repeat(100)), 10)
  await assert.rejects(reader.readExact(1_000_000), TooSlow)
  clearInterval(drip)
})

test('lineReady tells a whole line from a part of one', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  assert.equal(reader.lineReady, false)
  wire.say('a\r\nb')
  await new Promise(setImmediate)
  assert.equal(reader.lineReady, true)
  await reader.readLine(10)
  assert.equal(reader.lineReady, false)
})

test('detach hands over what was not read', async () => {
  const wire = new Wire().say('STARTTLS\r\nNOOP ')
  const reader = new LineReader(wire)
  assert.equal(String(await reader.readLine(100)), 'STARTTLS')
  assert.equal(String(reader.detach()), 'NOOP ')
  assert.equal(wire.listenerCount('data'), 0)
})

test('two reads at once are a fault of the caller', async () => {
  const reader = new LineReader(new Wire())
  void reader.readLine(10)
  await assert.rejects(reader.readLine(10), /two reads/)
})

test('each line is given in the turn in which it came, until one is enough', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const given: string[] = []
  const take = (line: Buffer): string | undefined => (given.push(String(line)) === 4 ? 'enough' : undefined)
  const reading = reader.each({ max: 100, take })
  for (const [piece, sofar] of [
    ['on', []],
    ['e\r\ntwo\r\nth', ['one', 'two']],
    ['ree\r\n', ['one', 'two', 'three']],
    ['four\r\nfive\r\n', ['one', 'two', 'three', 'four']],
  ] as const) {
    wire.say(piece)
    // Streams hand on in the next turn what was pushed; from there on no promise is between.
    await new Promise((resolve) => process.nextTick(resolve))
    assert.deepEqual(given, sofar)
  }
  assert.equal(await reading, 'enough')
  assert.equal(String(await reader.readLine(100)), 'five')
})

test('who takes a line may read the next ones by itself', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const take = async (line: Buffer): Promise<string> => `${line} then ${await reader.readLine(100)}`
  const reading = reader.each({ max: 100, take })
  wire.say('first\r\nsec')
  await new Promise(setImmediate)
  wire.say('ond\r\n')
  assert.equal(await reading, 'first then second')
})

test('what the taker throws ends the reading; the lines behind are there still', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const refuse = (): never => {
    throw new Error('not this one')
  }
  const refused = assert.rejects(reader.each({ max: 100, take: refuse }), /not this one/)
  wire.say('bad\r\ngood\r\n')
  await refused
  assert.equal(String(await reader.readLine(100)), 'good')
})

test('the time that each line may take begins anew with it', async () => {
  const wire = new Wire()
  const reader = new LineReader(wire)
  const lines: string[] = []
  const patience = 400
  const reading = assert.rejects(reader.each({ max: 100, idleMs: () => patience, take: (line) => void lines.push(String(line)) }), IdleTimeout)
  const started = performance.now()
  for (let n = 0; n < 5; n++) {
    await new Promise((resolve) => setTimeout(resolve, patience / 4))
    wire.say(`${n}\r\n`)
  }
  await reading
  assert.equal(lines.length, 5)
  assert.ok(performance.now() - started >= patience * 2)
})

test('each ends with the stream, and with stop', async () => {
  const wire = new Wire()
  const seen: string[] = []
  const ended = new LineReader(wire).each({ max: 100, take: (line) => void seen.push(String(line)) })
  wire.say('a\r\nb').push(null)
  assert.equal(await ended, undefined)
  assert.deepEqual(seen, ['a'])
  const stop = new AbortController()
  const stopped = new LineReader(new Wire(), { stop: stop.signal }).each({ max: 100, take: () => 'never' })
  stop.abort()
  assert.equal(await stopped, undefined)
})
