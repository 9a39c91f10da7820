/** Input that is made to cost, on 25 and 587, on a real store: a code in words within bounded time and memory, while a neighbour's session goes on answering. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { createTls } from '../../../src/net/tls.ts'
import { mxService } from '../../../src/smtp/server.ts'
import { type House, outboundHouse } from '../outbound/house.ts'
import { fakeDns } from '../outbound/peer.ts'
import { Client, openThrottle, pair, people, plain, type Running, serveOn, startSubmission } from './harness.ts'

/** Wide: other tests run beside this one. */
const WITHIN_MS = 15_000
const NEIGHBOUR_MS = 5_000
const GROWS_BY = 300 * 1024 * 1024

let house: House
let port: number
let submission: Running
const closers: (() => Promise<unknown>)[] = []
const dns = fakeDns({
  'loop.test': { TXT: ['v=spf1 include:loop.test redirect=loop.test'] },
  'a.test': { TXT: ['v=spf1 include:b.test -all'] },
  'b.test': { TXT: ['v=spf1 include:a.test -all'] },
  'fan.test': { TXT: [`v=spf1 ${Array.from({ length: 200 }, (_, i) => `include:f${i}.test`).join(' ')} -all`] },
  ...Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}.test`, { TXT: [`v=spf1 a:x${i}.test mx:y${i}.test -all`] }])),
})

before(async () => {
  house = await outboundHouse()
  const { store, accounts } = house
  const common = { store, accounts, throttle: openThrottle().throttle, primaryDomain: 'example.test' }
  const limits = {
    greetingDelayMs: 0,
    messagesPerHour: 1e6,
    recipientsPerHour: 1e6,
    recipientsPerDay: 1e6,
    unknownRecipients: { tarpitAfter: 5, perHour: 1e6, delayMs: 10, held: 10, max: 20 },
  }
  const rules = { dmarc: () => 'reject' as const, trustedSealers: new Set<string>() }
  const inbound = { dns, rules, isOwn: () => false }
  const listener = await serveOn(
    mxService({ ...common, inbound, limits, hostname: 'mx.example.test', tls: createTls(pair).service('mx'), log: silentLog() }),
    'starttls',
  )
  port = listener.port
  closers.push(() => listener.drain(1_000))
  const login = async () => ({ kind: 'ok' as const, access: house.anna, login: (await accounts.login('anna@example.test'))! })
  submission = await startSubmission({ ...common, queue: house.queue, limits, authenticator: { ...people([]).authenticator, login } })
  closers.push(() => submission.stop())
})
after(async () => {
  await Promise.all(closers.map((close) => close()))
  await house?.close()
})

type Where = 25 | 587
async function greeted(where: Where): Promise<Client> {
  const client = where === 25 ? await Client.connect(port) : await Client.connectTls(submission.port)
  await client.reply()
  await client.expect(['EHLO c', '250'])
  if (where === 587) await client.expect([`AUTH PLAIN ${plain('anna@example.test')}`, '235'])
  return client
}

/** One message with a text of whatever size, and what is said to it. */
const message =
  (text: string | (() => string), from = 'x@writer.example') =>
  async (where: Where): Promise<string> => {
    const client = await greeted(where)
    const sender = where === 25 ? from : 'anna@example.test'
    await client.expect([`MAIL FROM:<${sender}>`, '250'], ['RCPT TO:<anna@example.test>', '250'], ['DATA', '354'])
    client.write(`${typeof text === 'string' ? text : text()}\r\n.\r\n`)
    const reply = await client.reply(WITHIN_MS)
    client.close()
    return reply
  }
/** Whatever is sent on a connection, and the last reply to it, or that to the command `of` this number. */
const lines =
  (wire: string, of = Number.POSITIVE_INFINITY) =>
  async (where: Where): Promise<string> => {
    const client = await greeted(where)
    client.write(wire)
    for (let last = '', n = 1; ; n++) {
      const reply = await client.reply(WITHIN_MS)
      if (reply === '') return last
      last = reply
      if (reply.startsWith('214') || n === of) return reply
    }
  }
const rcpts = (n: number, address: (i: number) => string): string => Array.from({ length: n }, (_, i) => `RCPT TO:<${address(i)}>\r\n`).join('')

const MIB = 1024 * 1024
const TO_ANNA = 'MAIL FROM:<>\r\nRCPT TO:<anna@example.test>\r\n'
const HEAD = 'From: anna@example.test\r\n'
const folded = (text: string, at = 900): string => text.replace(new RegExp(`(.{${at}})`, 'g'), '$1\r\n ')
const SIGNATURE = `DKIM-Signature: v=1; a=rsa-sha256; d=writer.example; s=k; h=from; bh=${'A'.repeat(43)}=; b=${'B'.repeat(60)}\r\n`
const nested = (depth: number): string => {
  let open = ''
  for (let i = 0; i < depth; i++) open += `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`
  return `${open}\r\nx`
}

const BOTH: readonly Where[] = [25, 587]
const COSTLY: readonly (readonly [name: string, where: readonly Where[], run: (where: Where) => Promise<string>, code: RegExp])[] = [
  ['a header of 5 MiB', BOTH, message(() => HEAD + `X: ${'y'.repeat(900)}\r\n`.repeat(5_500)), /^552 5\.6\.0 The header is too long/],
  ['a header of 100,000 lines', BOTH, message(() => HEAD + 'a:\r\n'.repeat(50_000)), /^552 5\.6\.0 The header has more than/],
  ['a field of 200 KiB', BOTH, message(() => `${HEAD}To: ${folded('a@b.c, '.repeat(30_000))}\r\n`), /^552 5\.6\.0 A header field exceeds/],
  ['10,000 addresses in To', BOTH, message(() => `${HEAD}To: ${folded(`${'a@b.c,'.repeat(9_999)}a@b.c`)}\r\n\r\nx`), /^250 /],
  [
    '50,000 groups, each in the one before',
    BOTH,
    message(() => `${HEAD}To: ${folded('a:'.repeat(25_000))}${folded(';'.repeat(5_000))}\r\n\r\nx`),
    /^250 /,
  ],
  ['50,000 comments, each in the one before', BOTH, message(() => `${HEAD}Cc: ${folded('('.repeat(50_000))}\r\n\r\nx`), /^250 /],
  ['a From of groups', [25], message(() => `From: ${folded('a:'.repeat(25_000))}\r\n\r\nx`), /^(?:250|550) /],
  ['a From of groups', [587], message(() => `From: ${folded('a:'.repeat(25_000))}\r\n\r\nx`), /^550 5\.7\.1 /],
  ['a From of comments', [587], message(() => `From: ${folded('('.repeat(50_000))}anna@example.test\r\n\r\nx`), /^550 5\.7\.1 /],
  ['a From of 10,000 addresses', [587], message(() => `From: ${folded('anna@example.test,'.repeat(3_000))}\r\n\r\nx`), /^550 5\.7\.1 /],
  ['990 signatures', [25], message(() => `${SIGNATURE.repeat(990)}From: x@writer.example\r\n\r\nx`), /^250 /],
  ['1,000 signatures', [25], message(() => `${SIGNATURE.repeat(1_000)}From: x@writer.example\r\n\r\nx`), /^552 5\.6\.0 /],
  ['SPF that includes itself', [25], message('From: x@loop.test\r\n\r\nx', 'x@loop.test'), /^250 /],
  ['SPF of two that include each other', [25], message('From: x@a.test\r\n\r\nx', 'x@a.test'), /^250 /],
  ['SPF that fans out', [25], message('From: x@fan.test\r\n\r\nx', 'x@fan.test'), /^250 /],
  ['a line of 1 MiB as a command', BOTH, lines(`${'A'.repeat(MIB)}\r\n`), /^500 5\.5\.2 Line too long/],
  ['a line of 1 MiB as a text', BOTH, message(() => `${HEAD}\r\n${'x'.repeat(MIB)}`), /^500 5\.6\.0 A line is longer/],
  ['a line of 1 MiB in a chunk', [25], lines(`${TO_ANNA}BDAT ${MIB} LAST\r\n${'x'.repeat(MIB)}`, 3), /^500 5\.6\.0 A line is longer/],
  ['10,000 RCPT of one', BOTH, lines(`MAIL FROM:<anna@example.test>\r\n${rcpts(10_000, () => 'anna@example.test')}`), /^421 4\.5\.3 Too many RCPT/],
  ['10,000 RCPT of nobody', [25], lines(`MAIL FROM:<>\r\n${rcpts(10_000, (i) => `n${i}@example.test`)}`), /^421 4\.7\.0 Too many unknown/],
  ['10,000 RCPT of strangers', [587], lines(`MAIL FROM:<anna@example.test>\r\n${rcpts(10_000, (i) => `n${i}@x.example`)}`), /^421 4\.5\.3 /],
  ['10,000 MAIL', BOTH, lines('MAIL FROM:<anna@example.test>\r\n'.repeat(10_000)), /^421 4\.7\.0 Too many bad commands/],
  ['20,000 chunks of nothing', [25], lines(`${TO_ANNA}${'BDAT 0\r\n'.repeat(20_000)}HELP\r\n`), /^214 /],
  ['chunks for nobody', BOTH, lines(`BDAT ${MIB}\r\n${'x'.repeat(MIB)}`.repeat(12)), /^421 4\.7\.0 Too many bad commands/],
  ['4 MiB of dots', BOTH, message(() => `${HEAD}\r\n${'..\r\n'.repeat(MIB)}`), /^250 /],
  ['multiparts, 5,000 deep', BOTH, message(() => `${HEAD}MIME-Version: 1.0\r\n${nested(5_000)}`), /^250 /],
  [
    '100,000 parts',
    BOTH,
    message(() => `${HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(100_000)}--b--`),
    /^250 /,
  ],
  [
    'a parameter of 10,000 pieces',
    BOTH,
    message(() => `${HEAD}Content-Type: text/plain${Array.from({ length: 4_000 }, (_, i) => `;${i % 60 ? '' : '\r\n'} a*${i}=b`).join('')}\r\n\r\nx`),
    /^250 /,
  ],
  ['1 MiB of NUL', [25], message(() => `${HEAD}\r\n${`${'\0'.repeat(1_022)}\r\n`.repeat(1_024)}`), /^250 /],
]

test('a neighbour is answered through all of it, and memory stays', { timeout: 240_000 }, async (t) => {
  const neighbours = [await greeted(25), await greeted(587)]
  let slowest = 0
  let over = false
  const talk = neighbours.map(async (client) => {
    while (!over) {
      const from = performance.now()
      await client.expect(['NOOP', '250'])
      slowest = Math.max(slowest, performance.now() - from)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  })
  // Whatever is loaded at first use is loaded.
  for (const where of BOTH) assert.match(await message(`${HEAD}\r\nx`)(where), /^250 /)
  const before = process.memoryUsage().rss
  for (const [name, on, run, code] of COSTLY)
    for (const where of on)
      await t.test(`${where}: ${name}`, async () => {
        const from = performance.now()
        const reply = await run(where)
        assert.match(reply, code)
        const ms = performance.now() - from
        assert.ok(ms < WITHIN_MS, `${Math.round(ms)} ms`)
      })
  over = true
  await Promise.all(talk)
  const grown = process.memoryUsage().rss - before
  t.diagnostic(`slowest NOOP ${Math.round(slowest)} ms, memory ${Math.round(grown / MIB)} MiB more`)
  assert.ok(slowest < NEIGHBOUR_MS, `a neighbour waited ${Math.round(slowest)} ms`)
  assert.ok(grown < GROWS_BY, `${Math.round(grown / MIB)} MiB`)
  // RFC 7208 §4.6.4: ten look-ups for each of them, and what else there is to ask.
  assert.ok(dns.asked.filter((question) => /(?:loop|fan|[abfxy]\d*)\.test/.test(question)).length < 150, String(dns.asked.length))
})
