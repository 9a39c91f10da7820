/** Scanners that are away, slow, talk nonsense, or never stop talking: mail comes in all the same, or is asked to come again, and nobody else notices. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, test } from 'node:test'
import type { Scanner } from '../../../src/smtp/scan/scanner.ts'
import { Client } from '../smtp/harness.ts'
import {
  asClamd,
  clamdAt,
  type House,
  letter,
  rspamdAt,
  ruleOf,
  says,
  scans,
  scriptedRspamd,
  scriptedTcp,
  send,
  startHouse,
  submit,
} from './scripted.ts'

const VERDICT_MS = 700
const PATIENCE_MS = 700
const FAILED = '451 4.3.0 The message cannot be checked now, try again later'
const ENDED = /^it ended the connection without an answer/
const LARGE = `${'x'.repeat(998)}\r\n`.repeat(1_500)

const spam = await scriptedRspamd()
const healthy = await scriptedTcp(asClamd(() => 'stream: OK\0'))
let meet: (socket: Socket) => void = () => undefined
const odd = await scriptedTcp((socket) => meet(socket))
const gone = await scriptedTcp(() => undefined)
await gone.stop()
const house = (scanner: Scanner, onFailure: 'accept' | 'defer'): Promise<House> =>
  startHouse([ruleOf(scanner, { onFailure }), ruleOf(scanner.name === 'rspamd' ? clamdAt(healthy.port) : rspamdAt(spam.port))], {
    verdictMs: VERDICT_MS,
    patienceMs: PATIENCE_MS,
  })
const houses = {
  rspamd: { accept: await house(rspamdAt(odd.port), 'accept'), defer: await house(rspamdAt(odd.port), 'defer') },
  clamav: { accept: await house(clamdAt(odd.port), 'accept'), defer: await house(clamdAt(odd.port), 'defer') },
}
const away = { rspamd: await house(rspamdAt(gone.port), 'accept'), clamav: await house(clamdAt(gone.port), 'defer') }
after(async () => {
  const all = [...Object.values(houses.rspamd), ...Object.values(houses.clamav), ...Object.values(away)]
  await Promise.all(all.map((one) => one.stop()))
  await Promise.all([spam.stop(), healthy.stop(), odd.stop()])
})

/** Calls back when the whole request is there: a chunked body ends so, and INSTREAM with a chunk of nothing. */
const whenAsked = (ending: string, then: (socket: Socket) => void) => (socket: Socket) => {
  let tail = ''
  socket.on('data', (piece: Buffer) => {
    tail = (tail + piece.toString('latin1')).slice(-ending.length)
    if (tail === ending) then(socket)
  })
}
const afterHttp = (then: (socket: Socket) => void) => whenAsked('\r\n0\r\n\r\n', then)
const afterStream = (then: (socket: Socket) => void) => whenAsked('\0\0\0\0', then)
const answer = (body: string, head = 'HTTP/1.1 200 OK') =>
  afterHttp((socket) => socket.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`))

/** Writes for ever, as fast as it is read. */
function babble(socket: Socket, first: string, piece: string): void {
  socket.write(first)
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  }
  socket.on('drain', more)
  more()
}

const drip = (socket: Socket, text: string, first = ''): void => {
  socket.write(first)
  const timer = setInterval(() => socket.write(text), 50)
  socket.on('close', () => clearInterval(timer))
}

type Fault = readonly [what: string, meet: (socket: Socket) => void, why: RegExp]

const BOTH: readonly Fault[] = [
  ['it ends at once', (socket) => socket.destroy(), ENDED],
  ['it says nothing', (socket) => void socket.resume(), /^it does not answer in time$/],
  ['it reads nothing', (socket) => void socket.pause(), /^it does not (?:take the message|answer in time)$/],
]

const OF_RSPAMD: readonly Fault[] = [
  ...BOTH,
  ['it ends early', afterHttp((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"action"')), ENDED],
  ['it ends after the question', afterHttp((socket) => socket.end()), ENDED],
  ['it is no HTTP', afterHttp((socket) => socket.end('220 smtp.example.org ESMTP\r\n')), /^Parse Error/],
  ['it refuses', answer('{"error":"bad password"}', 'HTTP/1.1 403 Forbidden'), /^it answers 403$/],
  ['it sends elsewhere', answer('', 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/'), /^it answers 302$/],
  ['no JSON', answer('<html>no action</html>'), /^its answer is no JSON$/],
  ['JSON of something else', answer('[{"action":"reject"}]'), /^its answer is no verdict$/],
  ['an error', answer('{"error":"Cannot\\r\\nscan"}'), /^it says: Cannot scan$/],
  ['no action', answer('{"score":1}'), /^its answer has no action$/],
  ['an unknown action', answer('{"action":"banana","score":1}'), /^its action is unknown: banana$/],
  ['an action that is none', answer('{"action":["reject"],"score":1}'), /^its answer has no action$/],
  ['a score that is none', answer('{"action":"reject","score":"20"}'), /^its answer has no score$/],
  ['nesting', answer(`{"action":${'['.repeat(50_000)}`), /^its answer is no JSON$/],
  [
    'an answer of megabytes',
    afterHttp((socket) => babble(socket, 'HTTP/1.1 200 OK\r\n\r\n{"action":"reject","score":20,"x":"', 'x'.repeat(65_536))),
    /^its answer is too long$/,
  ],
  [
    'a header of megabytes',
    afterHttp((socket) => babble(socket, 'HTTP/1.1 200 OK\r\n', `X: ${'x'.repeat(8_000)}\r\n`)),
    /^Parse Error: Header overflow$/,
  ],
  ['an answer that drips', afterHttp((socket) => drip(socket, ' ', 'HTTP/1.1 200 OK\r\n\r\n')), /^it does not answer in time$/],
  ['an early answer that drips', (socket) => drip(socket, 'HTTP/1.1 100 Continue\r\n\r\n'), /^it does not (?:take the message|answer in time)$/],
]

const OF_CLAMAV: readonly Fault[] = [
  ...BOTH,
  ['it ends after the question', afterStream((socket) => socket.end()), ENDED],
  ['half an answer', afterStream((socket) => socket.end('stream: O')), ENDED],
  ['an error', afterStream((socket) => socket.end('INSTREAM size limit exceeded. ERROR\0')), /^it says: INSTREAM size limit exceeded\. ERROR$/],
  ['an early error', (socket) => void socket.end('INSTREAM size limit exceeded. ERROR\0'), /^it says: INSTREAM size limit exceeded\. ERROR$/],
  ['nonsense', afterStream((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n\0')), /^it says: HTTP\/1\.1 200 OK$/],
  ['a file of another name', afterStream((socket) => socket.end('/etc/passwd: OK\0')), /^it says: \/etc\/passwd: OK$/],
  ['an answer of megabytes', afterStream((socket) => babble(socket, 'stream: ', 'x'.repeat(65_536))), /^its answer is too long$/],
  ['an answer that drips', afterStream((socket) => drip(socket, 'x')), /^it does not answer in time$/],
]

for (const [name, faults] of [
  ['rspamd', OF_RSPAMD],
  ['clamav', OF_CLAMAV],
] as const)
  for (const [what, handle, why] of faults)
    test(`${name}: ${what}`, async () => {
      meet = handle
      const { accept, defer } = houses[name]
      for (const { lines } of [accept, defer]) lines.length = 0
      const before = accept.mx.store.messages.length
      const started = performance.now()
      const text = letter() + (what.startsWith('it reads') ? LARGE : '')
      const [taken, refused] = await Promise.all([send(accept.mx.port, text), send(defer.mx.port, text)])
      assert.ok(performance.now() - started < VERDICT_MS + PATIENCE_MS + 3_000)
      assert.match(taken, /^250 /)
      assert.equal(refused, FAILED)
      assert.equal(accept.mx.store.messages.length, before + 1)
      assert.equal(defer.mx.store.messages.length, 0)
      const found = scans(accept.mx.store.messages.at(-1)!.text)
      assert.deepEqual(found, [`${name}; failed`, name === 'rspamd' ? 'clamav; clean' : 'rspamd; no action; score=0.00/15.00'])
      const logged = [...accept.lines, ...defer.lines].map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'message not scanned')
      assert.equal(logged.length, 2)
      for (const line of logged) assert.match(`${line.scanner}: ${line.why}`, new RegExp(`^${name}: ${why.source.slice(1)}`))
    })

test('nobody is there', async () => {
  assert.match(await send(away.rspamd.mx.port, letter()), /^250 /)
  assert.deepEqual(scans(away.rspamd.mx.store.messages.at(-1)!.text), ['rspamd; failed', 'clamav; clean'])
  assert.equal(await send(away.clamav.mx.port, letter()), FAILED)
  assert.match(away.clamav.lines.join('\n'), /ECONNREFUSED/)
  assert.equal(await submit(away.clamav.submission.port, letter()), FAILED)
})

test('what one says counts, also where the other is away', async () => {
  meet = (socket) => socket.destroy()
  spam.answer = says('reject', 20)
  assert.match(await send(houses.clamav.defer.mx.port, letter()), /^550 5\.7\.1 The message is taken for spam/)
  spam.answer = says('add header', 7)
  assert.match(await send(houses.clamav.accept.mx.port, letter()), /^250 /)
  assert.deepEqual(houses.clamav.accept.mx.store.messages.at(-1)!.mailboxes, [2])
  spam.answer = says('no action')
})

test('a scanner that hangs holds up its own messages only', async () => {
  const held: Socket[] = []
  meet = (socket) => void held.push(socket.pause())
  const patient = await startHouse([ruleOf(rspamdAt(odd.port))])
  try {
    const { port } = patient.mx
    let answered = 0
    const slow = Array.from({ length: 5 }, () => send(port, letter() + LARGE).finally(() => answered++))
    const client = await Client.connect(port)
    await client.reply()
    for (let i = 0; i < 20; i++) await client.expect(['NOOP', '250'])
    client.close()
    assert.equal(answered, 0)
    for (;;) {
      for (const socket of held) socket.destroy()
      if (answered === slow.length) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const reply of await Promise.all(slow)) assert.match(reply, /^250 /)
  } finally {
    await patient.stop()
  }
})

test('a client that goes away leaves no connection to a scanner', async () => {
  const open = new Set<Socket>()
  let came = Promise.withResolvers<void>()
  let left = Promise.withResolvers<void>()
  meet = (socket) => {
    open.add(socket.resume())
    came.resolve()
    socket.on('close', () => {
      open.delete(socket)
      left.resolve()
    })
    socket.on('end', () => socket.end())
  }
  for (const scanner of ['rspamd', 'clamav'] as const) {
    came = Promise.withResolvers<void>()
    left = Promise.withResolvers<void>()
    const client = await Client.connect(houses[scanner].accept.mx.port)
    await client.reply()
    await client.expect(['EHLO c.test', '250'], ['MAIL FROM:<x@elsewhere.test>', '250'], ['RCPT TO:<ann@example.org>', '250'], ['DATA', '354'])
    client.write(`${letter()}x\r\n`.repeat(100))
    await came.promise
    assert.equal(open.size, 1)
    client.close()
    await left.promise
    assert.equal(open.size, 0)
  }
})

test('octets come to the scanner while the client still writes, and wait for it', async () => {
  const heard = Promise.withResolvers<void>()
  let octets = 0
  meet = (socket) => {
    socket.on('data', (piece: Buffer) => {
      octets += piece.length
      if (octets > 100_000) heard.resolve()
    })
  }
  const { mx } = houses.clamav.accept
  const client = await Client.connect(mx.port)
  await client.reply()
  await client.expect(['EHLO c.test', '250'], ['MAIL FROM:<x@elsewhere.test>', '250'], ['RCPT TO:<ann@example.org>', '250'], ['DATA', '354'])
  client.write(letter() + LARGE.slice(0, 200_000))
  await heard.promise
  client.write('\r\n.\r\n')
  assert.match(await client.reply(), /^250 /)
  client.close()
})

test('a scanner that reads slowly slows the client down: nothing piles up here', async () => {
  let reader: Socket | undefined
  const ask = asClamd(() => 'stream: OK\0')
  meet = (socket) => {
    ask(socket)
    reader = socket.pause()
  }
  const size = 32 * 1024 * 1024
  const patient = await startHouse([ruleOf(clamdAt(odd.port, 2 * size))])
  const client = await Client.connect(patient.mx.port)
  try {
    await client.reply()
    await client.expect(['EHLO c.test', '250'], ['MAIL FROM:<x@elsewhere.test>', '250'], ['RCPT TO:<ann@example.org>', '250'], ['DATA', '354'])
    client.write(letter())
    const piece = Buffer.from(`${'x'.repeat(998)}\r\n`.repeat(64))
    let sent = 0
    const all = (async () => {
      for (; sent < size; sent += piece.length) await new Promise((resolve) => client.socket.write(piece, resolve))
    })()
    // Until it stands still: what it could write by then is what the buffers of two connections hold.
    for (let before = -1; before !== sent; ) {
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
    assert.ok(sent > 0 && sent < size - piece.length, `${sent} octets were taken`)
    reader!.resume()
    await all
    client.write('\r\n.\r\n')
    assert.match(await client.reply(20_000), /^250 /)
    assert.deepEqual(scans(patient.mx.store.messages.at(-1)!.text), ['clamav; clean'])
  } finally {
    client.close()
    await patient.stop()
  }
})
