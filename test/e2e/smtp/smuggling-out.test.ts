/** What leaves here is one message, to a server that ends a message wherever anybody ever ended one; by whatever way it came. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { createTls } from '../../../src/net/tls.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { mxService } from '../../../src/smtp/server.ts'
import { type House, outboundHouse, until } from '../outbound/house.ts'
import { Client, openThrottle, pair, people, plain, serveOn, startSubmission } from './harness.ts'

/** The ends that were ever taken for one: SEC Consult's list and Postfix's, with NULs that some leave out. */
const END = /(?:\r\n|\r|\n)\0*\.[\0 \t]*(?:\r\n|\r|\n)/

/** Ends each message at the first of them, and each command at any CR or LF. */
async function lenientPeer() {
  const messages: string[] = []
  const commands: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let buffer = ''
    let inData = false
    const step = (): boolean => {
      if (inData) {
        // The line end before the text is that of DATA.
        const found = END.exec(`\n${buffer}`)
        if (!found) return false
        messages.push(buffer.slice(0, found.index))
        buffer = buffer.slice(found.index - 1 + found[0].length)
        inData = false
        socket.write('250 2.0.0 taken\r\n')
        return true
      }
      const found = /\r\n|\r|\n/.exec(buffer)
      if (!found) return false
      const line = buffer.slice(0, found.index)
      buffer = buffer.slice(found.index + found[0].length)
      commands.push(line)
      inData = line === 'DATA'
      socket.write(inData ? '354 go\r\n' : line === 'QUIT' ? '221 bye\r\n' : '250 fine\r\n')
      return true
    }
    socket.on('data', (chunk: Buffer) => {
      buffer += chunk.toString('latin1')
      while (step());
    })
    socket.write('220 lenient\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise((done) => server.close(done))
  }
  return { messages, commands, port: (server.address() as AddressInfo).port, close }
}

const mx = { MX: [{ preference: 10, exchange: 'mx.elsewhere.example' }] }
const account = { aliases: [], passwordHash: '$argon2id$none', quota: undefined }
let house: House
let peer: Awaited<ReturnType<typeof lenientPeer>>
const closers: (() => Promise<unknown>)[] = []
before(async () => {
  house = await outboundHouse({ 'elsewhere.example': mx, 'mx.elsewhere.example': { A: ['127.0.0.1'] } })
  await house.accounts.reconcile({
    domains: ['example.test'],
    accounts: [
      { ...account, address: 'anna@example.test' },
      { ...account, address: 'ben@example.test', inbound: { forward: { to: ['copy@elsewhere.example'], keep: false } } },
    ],
  })
  peer = await lenientPeer()
  house.work(peer.port)
})
after(async () => {
  await Promise.all(closers.map((close) => close()))
  await house?.close()
  await peer?.close()
})

const SMUGGLED = 'MAIL FROM:<boss@elsewhere.example>\r\nRCPT TO:<victim@elsewhere.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n'
const HEAD = 'From: anna@example.test\r\nSubject: out\r\n\r\n'
const CLIENT_COMMANDS = /^(?:EHLO|MAIL FROM:<(?:anna@example\.test|SRS0=[^>]*|)>|RCPT TO:<(?:friend|copy)@elsewhere\.example>|DATA$|QUIT$|RSET$|$)/

async function oneEach(n: number): Promise<void> {
  await until(`${n} messages`, async () => peer.messages.length >= n && (await house.queue.list({ limit: 9 })).length === 0)
  assert.equal(peer.messages.length, n)
  for (const text of peer.messages) assert.doesNotMatch(text.slice(0, text.search(/\r\n\r\n/)), /smuggled/)
  for (const line of peer.commands) assert.match(line, CLIENT_COMMANDS)
}

test('whatever is in the store', async () => {
  const ends = ['\r\n', '\n', '\r', '\n\r', '\r\r\n', '\r\n\0', '\0\r\n', '\r\0\n', '\0']
  const texts = ends.flatMap((before) => ends.map((after) => `${HEAD}hello${before}.${after}${SMUGGLED}`))
  texts.push(`${HEAD}\r`, `${HEAD}.`, `${HEAD}\n.`, HEAD, '.\r\n', '.')
  for (const text of texts) await house.send(['friend@elsewhere.example'], {}, text)
  await oneEach(texts.length)
  peer.messages.length = 0
})

/** Lines that SMTP lets through, and that look like more. */
const LINES = `hello\r\n.\r\n..\r\n. \r\n.\0\r\n\0.\r\n${SMUGGLED}`
const dotted = (text: string): string => text.replace(/^\./gm, '..')

test('by submission with DATA and with BDAT cut at every octet, and by a forward', async () => {
  const { store, accounts, queue } = house
  const common = { store, accounts, queue, srs: srsOf(accounts), throttle: openThrottle().throttle, primaryDomain: 'example.test' }
  const limits = { recipientsPerHour: 10_000, recipientsPerDay: 10_000, greetingDelayMs: 0 }
  const login = async () => ({ kind: 'ok' as const, access: house.anna, login: (await accounts.login('anna@example.test'))! })
  const submission = await startSubmission({ ...common, limits, authenticator: { ...people([]).authenticator, login } })
  closers.push(() => submission.stop())
  const incoming = await serveOn(
    mxService({ ...common, limits, hostname: 'mail.example.test', tls: createTls(pair).service('mx'), log: silentLog() }),
    'starttls',
  )
  closers.push(() => incoming.drain(1_000))

  const text = `${HEAD}${LINES}`
  const client = await Client.connectTls(submission.port)
  await client.reply()
  await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('anna@example.test')}`, '235'])
  const envelope = [
    ['MAIL FROM:<anna@example.test>', '250'],
    ['RCPT TO:<friend@elsewhere.example>', '250'],
  ] as const
  await client.expect(...envelope, ['DATA', '354'], [`${dotted(text)}.`, '250 2.0.0'])
  let sent = 1
  for (let cut = HEAD.length; cut <= HEAD.length + 40; cut++) {
    await client.expect(...envelope)
    // Not two times the same, or it is taken for a second try.
    const own = text.replace('out', `out ${cut}`)
    client.write(`BDAT ${cut}\r\n${own.slice(0, cut)}BDAT ${own.length - cut} LAST\r\n${own.slice(cut)}`)
    assert.match(await client.reply(), /^250 2\.0\.0 \d+ octets/)
    assert.match(await client.reply(), /^250 2\.0\.0 Accepted/)
    sent++
  }
  const stranger = await Client.connect(incoming.port)
  await stranger.reply()
  await stranger.expect(['EHLO c', '250'])
  for (const how of ['DATA', 'BDAT']) {
    await stranger.expect(['MAIL FROM:<x@writer.example>', '250'], ['RCPT TO:<ben@example.test>', '250'])
    const own = text.replace('out', how)
    if (how === 'DATA') await stranger.expect(['DATA', '354'], [`${dotted(own)}.`, '250 2.0.0'])
    else await stranger.expect([`BDAT ${own.length} LAST\r\n${own.slice(0, -2)}`, '250 2.0.0'])
    sent++
  }
  await oneEach(sent)
})
