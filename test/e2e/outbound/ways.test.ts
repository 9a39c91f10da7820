/** Ways that lead nowhere, and one that does; when it is tried again; and what is told when nothing helped. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { LIFETIME_SECONDS, RETRY_SECONDS } from '../../../src/smtp/outbound/backoff.ts'
import type { OutboundWorker } from '../../../src/smtp/outbound/worker.ts'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

/** One of them never greets. */
const FAST = { greeting: 1_500 }
let house: House
let peer: Peer
let worker: OutboundWorker | undefined
before(async () => {
  house = await outboundHouse()
})
after(() => house?.close())
beforeEach(async () => {
  peer = await startPeer({ host: '0.0.0.0' })
})
afterEach(async () => {
  await worker?.stop(0)
  worker = undefined
  for (const table of ['queue', 'outbound', 'queue_domain']) await house.sql(`delete from ${table}`)
  await peer.close()
})
const work = (more = {}): OutboundWorker => {
  worker = house.work(peer.port, { timeouts: FAST, ...more })
  return worker
}
const hosts = (domain: string, all: readonly (readonly string[])[]): void => {
  Object.assign(house.dns.zones, { [domain]: { MX: all.map((_, i) => ({ preference: i, exchange: `mx${i}.${domain}` })) } })
  for (const [i, addresses] of all.entries())
    Object.assign(house.dns.zones, {
      [`mx${i}.${domain}`]: { A: addresses.filter((one) => !one.includes(':')), AAAA: addresses.filter((one) => one.includes(':')) },
    })
}
const entry = async () => (await house.queue.list({ limit: 1 }))[0]
const empty = () => until('an empty queue', async () => (await entry()) === undefined)

test('the first hosts are dead, dumb, full or rude, or lose the way in the middle: the last one gets it, once', async () => {
  const bad: Record<string, [string, string]> = {
    '127.0.0.2': ['CONNECT', 'hang'],
    '127.0.0.3': ['MAIL', '421 4.3.2 full close'],
    '127.0.0.4': ['CONNECT', '554 5.7.1 not you'],
    '127.0.0.5': ['DATA', 'close'],
  }
  peer.script = (line, { address }) => (bad[address]?.[0] === line.slice(0, bad[address]?.[0].length) ? bad[address]![1] : undefined)
  // Nobody listens at the first one.
  hosts('one.test', [['::1'], ...Object.keys(bad).map((address) => [address]), ['127.0.0.6']])
  work()
  await house.send(['a@one.test'])
  await empty()
  assert.deepEqual([peer.took.length, peer.connections], [1, 5])
  assert.equal(await house.count('select count(*)::int8 from queue_domain'), 0)
})

test('while the DNS does not answer no domain waits for longer than half an hour, however long that was', async () => {
  Object.assign(house.dns.zones, { 'mute.test': { trouble: true } })
  await house.send(['a@mute.test'])
  await house.sql('update queue set attempts = 20')
  await house.sql(`insert into queue_domain (bucket, domain, not_before, failures, said) select bucket, domain, now(), 20, '' from queue`)
  work({ schedule: RETRY_SECONDS })
  await until('tried', async () => (await entry())?.status === '4.4.3')
  await until('it waits', async () => (await house.count(`select count(*)::int8 from queue_domain where not_before > now()`)) === 1)
  const minutes = await house.count(
    'select extract(epoch from max(greatest(q.run_at, d.not_before)) - now())::int8 / 60 from queue q, queue_domain d',
  )
  assert.ok(minutes >= 28 && minutes <= 34, `${minutes}`)
})

test('a server that is too slow for all recipients together has some of them the next time, and the others after that', async () => {
  hosts('one.test', [['127.0.0.2']])
  peer.delay = () => 250
  work({ timeouts: { ...FAST, command: 500, data: 500, recipient: 1 } })
  await house.send(Array.from({ length: 5 }, (_, i) => `r${i}@one.test`))
  await empty()
  const took = peer.took.map(({ to }) => to.length)
  assert.ok(took.length > 1, `${took}`)
  assert.deepEqual(peer.took.flatMap(({ to }) => to).sort(), Array.from({ length: 5 }, (_, i) => `r${i}@one.test`).sort())
})

test('a refusal stands, also where the connection is lost behind it: before the text, in it, and behind its dot', async () => {
  hosts('one.test', [['127.0.0.2']])
  for (const last of ['RCPT TO:<b@', 'DATA', '.']) {
    peer.script = (line) =>
      line.includes('<no@') ? '550 5.1.1 no such user' : line.startsWith(last) ? (last === '.' ? 'close' : '421 4.3.2 no more close') : undefined
    work({ schedule: [600] })
    await house.send(['no@one.test', 'a@one.test', 'b@one.test'])
    const entries = () => house.queue.list({ limit: 10 })
    await until('tried', async () => (await entries()).every(({ status }) => status !== ''))
    assert.deepEqual((await entries()).map(({ address, state }) => `${address} ${state}`).sort(), [
      'a@one.test waiting',
      'b@one.test waiting',
      'no@one.test failed',
    ])
    await worker!.stop(0)
    for (const table of ['queue', 'outbound', 'queue_domain']) await house.sql(`delete from ${table}`)
  }
})

test('what the first host does not offer the next one may; where none does, the sender is told, and the domain is left alone by nobody', async () => {
  hosts('one.test', [['127.0.0.2'], ['127.0.0.3']])
  const offers = (...who: string[]): void => {
    peer.script = (line, { address }) => (line.startsWith('EHLO') && !who.includes(address) ? '250-hello\r\n250 8BITMIME' : undefined)
  }
  offers('127.0.0.3')
  work({ schedule: [600] })
  await house.send(['gr\u00fcn@one.test'], { utf8: true })
  await empty()
  assert.deepEqual([peer.took.length, peer.connections], [1, 2])
  await worker!.stop(0)
  offers()
  work({ schedule: [600] })
  const reports = (await house.inbox()).length
  await house.send(['rot\u00e9@one.test'], { utf8: true })
  await until('it failed', async () => (await entry())?.state === 'failed')
  assert.equal(await house.count('select count(*)::int8 from queue_domain'), 0)
  await house.sql('update queue set run_at = now()')
  await empty()
  assert.match((await house.inbox())[reports]!, /Status: 5\.6\.7\r\n/)
  // One of them cannot be asked now.
  hosts('one.test', [['127.0.0.2'], ['::1']])
  await house.send(['blau\u00e9@one.test'], { utf8: true })
  await until('it waits', async () => (await entry())?.state === 'waiting' && (await entry())?.attempts === 1 && (await entry())!.status !== '')
  assert.match((await entry())!.status, /^4\./)
})

test('a header in UTF-8 goes only where SMTPUTF8 is offered; one that was only announced goes anywhere', async () => {
  hosts('one.test', [['127.0.0.2'], ['127.0.0.3']])
  let offers = ['127.0.0.3']
  const by: string[] = []
  peer.script = (line, { address }) => {
    if (line.startsWith('MAIL')) by.push(`${address} ${/ SMTPUTF8$/.test(line)}`)
    return line.startsWith('EHLO') && !offers.includes(address) ? '250-hello\r\n250 8BITMIME' : undefined
  }
  work()
  await house.send(['a@one.test'], { utf8: true }, 'Subject: gr\u00fcn\r\n\r\nx\r\n')
  await empty()
  await worker!.stop(0)
  offers = []
  work()
  await house.send(['b@one.test'], { utf8: true }, 'Subject: green\r\n\r\n\u00fc\r\n')
  await empty()
  assert.deepEqual(by, ['127.0.0.3 true', '127.0.0.2 false'])
  await house.send(['c@one.test'], { utf8: true }, 'Subject: gr\u00fcn\r\n\r\nx\r\n')
  await until('it failed', async () => (await entry())?.state === 'failed')
  assert.deepEqual([(await entry())!.status, peer.took.length], ['5.6.9', 2])
})

test('an MX host whose name ends lines, or holds NUL, is none, and says nothing in the report', async () => {
  const reports = (await house.inbox()).length
  for (const exchange of ['mx\r\nAction: delivered\r\nX-Evil: 1.one.test', 'mx\0.one.test']) {
    house.dns.zones['one.test'] = { MX: [{ preference: 1, exchange }] }
    work()
    await house.send(['a@one.test'])
    await until('it failed', async () => (await entry())?.state === 'failed')
    await house.sql('update queue set run_at = now()')
    await empty()
    await worker!.stop(0)
  }
  const told = (await house.inbox()).slice(reports)
  assert.equal(told.length, 2)
  for (const report of told) assert.deepEqual(report.match(/^(?:Action|X-Evil|Status): .*$/gm), ['Action: failed', 'Status: 5.4.4'])
})

test('IPv6 leads nowhere, IPv4 does', async () => {
  hosts('one.test', [['::1', '127.0.0.1']])
  work()
  await house.send(['a@one.test'])
  await empty()
  assert.equal(peer.took.length, 1)
})

test('a hundred hosts, and each says no: a few are asked, with one place, and the domain waits', async () => {
  peer.script = (line) => (line === 'CONNECT' ? '554 5.7.1 not you' : undefined)
  hosts(
    'one.test',
    Array.from({ length: 100 }, (_, i) => [`127.0.2.${i + 1}`, `127.0.3.${i + 1}`]),
  )
  house.dns.asked.length = 0
  work({ schedule: [300] })
  for (let i = 0; i < 5; i++) await house.send([`a${i}@one.test`])
  await until('it waits', async () => (await house.count('select count(*)::int8 from queue_domain')) === 1)
  await until('settled', async () => (await house.count('select count(*)::int8 from queue where owner is not null')) === 0)
  assert.equal(await house.count('select count(*)::int8 from queue where attempts > 0'), 1)
  assert.ok(peer.connections <= 6, `${peer.connections} connections`)
  assert.equal((await entry())?.said, '554 5.7.1 not you')
  // Two addresses each: nor is it asked where the others are.
  assert.equal(house.dns.asked.filter((question) => question.startsWith('A ')).length, 3)
})

test('a connection that waits is told goodbye, or something that it did not ask for: the next message takes another one', async () => {
  hosts('one.test', [['127.0.0.1']])
  for (const [i, more] of ['421 4.4.2 you say nothing close', '250 2.0.0 again', '550 5.7.1 what you did not ask'].entries()) {
    peer.script = (line) => (line === '.' ? `250 2.0.0 taken\r\n${more}` : undefined)
    work()
    const before = peer.took.length
    await house.send([`a${i}@one.test`])
    await empty()
    await house.send([`b${i}@one.test`])
    await empty()
    assert.equal(peer.took.length - before, 2, more)
    await worker!.stop(0)
  }
})

test('tried after 5, 15 and 30 minutes, then after hours, for five days; then its sender is told once, in the words that were said last', async () => {
  hosts('one.test', [['127.0.0.1']])
  let said = 0
  peer.script = (line) => (line.startsWith('RCPT') ? `451-4.7.1 for the ${++said}th time\r\n451 4.7.1 no` : undefined)
  const reports = (await house.inbox()).length
  work({ schedule: RETRY_SECONDS })
  assert.equal(LIFETIME_SECONDS, 5 * 86_400)
  await house.send(['a@one.test'], { envelopeId: 'QQ1' })
  const minutes: number[] = []
  for (let attempts = 1; attempts <= 8; attempts++) {
    await until(`attempt ${attempts}`, async () => {
      const now = await entry()
      return now?.state === 'waiting' && now.attempts === attempts
    })
    minutes.push(((await entry())!.due - Date.now()) / 60_000)
    if (attempts === 8) break
    await house.sql('update queue set run_at = now()')
    worker!.wake()
  }
  for (const [i, planned] of [5, 15, 30, 60, 120, 240, 240, 240].entries())
    assert.ok(minutes[i]! > planned - 1 && minutes[i]! <= planned * 1.1 + 0.1, `${minutes[i]} after attempt ${i + 1}`)
  await house.sql("update queue set expires_at = now() - interval '1 second'")
  assert.equal(await house.queue.expire(), 1)
  await empty()
  const [report, ...more] = (await house.inbox()).slice(reports)
  assert.equal(more.length, 0)
  assert.match(report!, /^Return-Path: <>\r\n[\s\S]*Content-Type: multipart\/report; report-type=delivery-status/)
  assert.match(report!, /Original-Envelope-Id: QQ1\r\n/)
  assert.match(
    report!,
    /Final-Recipient: rfc822; a@one\.test\r\nAction: failed\r\nStatus: 4\.4\.7\r\nRemote-MTA: dns; mx0\.one\.test\r\nDiagnostic-Code: smtp; 451 4\.7\.1 for the 8th time 4\.7\.1 no\r\n/,
  )
})
