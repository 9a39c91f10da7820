/** From the queue to other servers: what they say decides, nothing is lost, and nobody waits for a dead one. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OutboundWorker, Reporter } from '../../../src/smtp/outbound/worker.ts'
import { Unavailable } from '../../../src/store/errors.ts'
import { NOTIFY } from '../../../src/store/queue.ts'
import { type House, opportunistic, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

let house: House
let peer: Peer
let worker: OutboundWorker | undefined
const A = { A: ['127.0.0.1'], AAAA: [] }
const mx = (...names: string[]) => ({ MX: names.map((exchange, i) => ({ preference: 10 * i, exchange })) })
before(async () => {
  house = await outboundHouse()
})
after(() => house?.close())
beforeEach(async () => {
  peer = await startPeer()
  Object.assign(house.dns.zones, { 'one.test': mx('mx.one.test'), 'mx.one.test': A, 'two.test': mx('mx.one.test') })
})
afterEach(async () => {
  await worker?.stop(0)
  worker = undefined
  for (const table of ['queue', 'outbound', 'queue_domain']) await house.sql(`delete from ${table}`)
  await peer.close()
})

const work = (more = {}): void => {
  worker = house.work(peer.port, more)
}
const left = async () => (await house.queue.list({ limit: 1000 })).map(({ address, state, said, attempts }) => ({ address, state, said, attempts }))
const empty = () => until('an empty queue', async () => (await left()).length === 0)
/** What came since, newest last. */
async function told(before: number): Promise<string> {
  await until('a report', async () => (await house.inbox()).length > before)
  return (await house.inbox()).at(-1)!
}

test('sent over TLS, in one transaction for one domain, octet for octet, and gone from the queue', async () => {
  work()
  const text = 'Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nlast\r\n'
  await house.send(['a@one.test', 'b@one.test'], { prefix: Buffer.from('Received: us\r\n'), skip: 0 }, text)
  await empty()
  assert.deepEqual(
    peer.took.map(({ from, to, text, secure }) => [from, to, text, secure]),
    [['anna@example.test', ['a@one.test', 'b@one.test'], `Received: us\r\n${text}`, true]],
  )
})

test('where more is due than one look sees it is looked at again soon, until it is not', async () => {
  let looks = 0
  let crowded = true
  const queue: House['queue'] = {
    ...house.queue,
    async due() {
      looks++
      return []
    },
    isCrowded: async () => crowded,
  }
  const started = performance.now()
  work({ queue, look: 60_000 })
  await until('four looks', () => looks >= 4)
  assert.ok(performance.now() - started >= 1_400)
  crowded = false
  await until('one more', () => looks >= 5)
  await sleep(1_100)
  assert.equal(looks, 5)
})

test('a server without PIPELINING, EHLO, TLS', async () => {
  peer.extensions = []
  peer.script = (line) => (line.startsWith('EHLO') ? '502 5.5.1 what' : undefined)
  work()
  await house.send(['a@one.test'])
  await empty()
  assert.deepEqual([peer.took.length, peer.took[0]?.secure, peer.lines[1]], [1, false, 'HELO mail.example.test'])
})

test('many messages to one domain share connections', async () => {
  for (let i = 0; i < 40; i++) await house.send([`a${i}@one.test`])
  work()
  await empty()
  assert.equal(peer.took.length, 40)
  assert.ok(peer.connections <= 5, `${peer.connections} connections`)
})

test('5xx to a recipient: the sender is told with its words, the others get it', async () => {
  peer.script = (line) => (line.includes('<bad@') ? '550 5.1.1 no such user, really' : undefined)
  const before = (await house.inbox()).length
  work()
  await house.send(['bad@one.test', 'good@one.test'])
  await until('settled', async () => (await left()).every(({ state }) => state === 'failed'))
  assert.deepEqual(peer.took[0]?.to, ['good@one.test'])
  await house.sql('update queue set run_at = now() where state = 3')
  const report = await told(before)
  assert.match(report, /^Return-Path: <>\r\n/)
  assert.match(report, /Content-Type: multipart\/report; report-type=delivery-status/)
  assert.match(
    report,
    /Final-Recipient: rfc822; bad@one\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r\nRemote-MTA: dns; mx\.one\.test\r\nDiagnostic-Code: smtp; 550 5\.1\.1 no such user, really/,
  )
  assert.match(report, /Subject: hello/)
  assert.doesNotMatch(report, /good@one\.test/)
  await empty()
})

test('every recipient refused, MAIL refused, DATA refused, the text refused', async () => {
  for (const [verb, code] of [
    ['RCPT', '550'],
    ['MAIL', '552'],
    ['DATA', '554'],
    ['.', '554'],
  ] as const) {
    const before = (await house.inbox()).length
    peer.script = (line) => (line.startsWith(verb) ? `${code} 5.7.1 not ${verb}` : undefined)
    work()
    await house.send([`x@one.test`])
    await until('failed', async () => (await left())[0]?.state === 'failed')
    await house.sql('update queue set run_at = now() where state = 3')
    assert.match(await told(before), new RegExp(`Diagnostic-Code: smtp; ${code} 5\\.7\\.1 not ${verb.replace('.', '\\.')}`))
    await empty()
    await worker!.stop(0)
  }
  assert.equal(peer.took.length, 0)
})

test('4xx is tried again, and then it goes', async () => {
  let times = 0
  peer.script = (line) => (line.startsWith('RCPT') && ++times < 3 ? '451 4.7.1 greylisted' : undefined)
  work()
  await house.send(['a@one.test'])
  await until('deferred', async () => (await left())[0]?.said.includes('greylisted') === true)
  await empty()
  assert.deepEqual([times, peer.took.length], [3, 1])
})

test('closed in the middle: before the final dot it is sent again; after it, nobody knows, and it is not at once', async () => {
  peer.script = (line, { connection }) => (line === 'DATA' && connection <= 3 ? 'close' : undefined)
  work()
  await house.send(['a@one.test'])
  await until('taken', () => peer.took.length === 1)
  await empty()
  peer.script = (line) => (line === '.' ? 'close' : undefined)
  await house.send(['b@one.test'])
  await until('in doubt', async () => (await left())[0]?.attempts === 1 && (await left())[0]?.state === 'waiting')
  const [entry] = await house.queue.list({ limit: 1 })
  assert.ok(entry!.due > Date.now() + 500_000, 'the other side may be busy with it still')
  assert.equal(peer.took.length, 2)
})

test('the first host is dead, or says 421, or greets with 5xx: the next one is asked', async () => {
  const dead = { 'dead.test': { A: ['127.0.0.2'], AAAA: [] } }
  Object.assign(house.dns.zones, dead, { 'three.test': mx('dead.test', 'mx.one.test') })
  work()
  await house.send(['a@three.test'])
  await empty()
  peer.script = (line, { connection }) => (line === 'CONNECT' && connection % 2 === 0 ? '554 5.7.1 not you' : undefined)
  Object.assign(house.dns.zones, { 'four.test': mx('mx.one.test', 'mx2.one.test'), 'mx2.one.test': A })
  await house.send(['a@four.test'])
  await empty()
  assert.equal(peer.took.length, 2)
})

test('a dead domain is tried with one message, not with all, and the others do not wait for it', async () => {
  Object.assign(house.dns.zones, { 'dead.test': mx('mx.dead.test'), 'mx.dead.test': { A: ['127.0.0.2'], AAAA: [] } })
  for (let i = 0; i < 50; i++) await house.send([`${i}@dead.test`])
  for (let i = 0; i < 20; i++) await house.send([`${i}@one.test`])
  work({ schedule: [3600] })
  await until('the living', () => peer.took.length === 20)
  const dead = await house.queue.list({ domain: 'dead.test', limit: 100 })
  const tried = dead.filter(({ attempts }) => attempts > 0).length
  assert.equal(dead.length, 50)
  assert.ok(tried >= 1 && tried <= 5, `${tried} were tried`)
  assert.match(dead.find(({ attempts }) => attempts > 0)!.said, /cannot be reached: ECONNREFUSED/)
})

test('no such domain, null MX, no address, itself: failed at once; DNS trouble is tried again', async () => {
  Object.assign(house.dns.zones, {
    'null.test': { MX: [{ preference: 0, exchange: '' }] },
    'empty.test': mx('gone.test'),
    'loop.test': mx('mail.example.test'),
    'trouble.test': { trouble: true },
  })
  work()
  const to = ['x@nowhere.test', 'x@null.test', 'x@empty.test', 'x@loop.test', 'x@trouble.test', 'x@[192.0.2.1]']
  for (const address of to) await house.send([address], { reversePath: 'anna@example.test' })
  await until('all tried', async () => (await house.queue.list({ limit: 10 })).every(({ status }) => status !== ''))
  const seen = (await house.queue.list({ limit: 10 })).map(({ address, state, status }) => `${address} ${state} ${status}`).sort()
  assert.deepEqual(seen, [
    'x@[192.0.2.1] failed 5.1.2',
    'x@empty.test failed 5.4.4',
    'x@loop.test failed 5.4.6',
    'x@nowhere.test failed 5.1.2',
    'x@null.test failed 5.1.10',
    'x@trouble.test waiting 4.4.3',
  ])
})

test('an address where no public server is is not gone to', async () => {
  const route = {
    dns: house.dns,
    hostname: 'mail.example.test',
    port: peer.port,
    relayFor: () => undefined,
    tlsPolicy: opportunistic,
  }
  work({ route })
  await house.send(['a@one.test'])
  await until('refused', async () => (await left())[0]?.state === 'failed')
  assert.match((await left())[0]!.said, /where no public server is/)
  assert.equal(peer.connections, 0)
})

test('broken TLS: without TLS rather than not at all', async () => {
  peer.script = (line, { connection }) => (line === 'STARTTLS' && connection === 1 ? '220 go\r\nrubbish instead of a handshake' : undefined)
  peer.extensions.splice(peer.extensions.indexOf('STARTTLS'), 1, 'STARTTLS')
  work()
  await house.send(['a@one.test'])
  await empty()
  assert.equal(peer.took.length, 1)
})

test('told of what was asked for: relayed where the other side does not report, nobody where there is no reverse-path', async () => {
  const before = (await house.inbox()).length
  work()
  const recipients = [{ address: 'a@one.test', domain: 'one.test', notify: NOTIFY.success as number, original: 'rfc822;A@one.test' }]
  peer.extensions = peer.extensions.filter((x) => x !== 'DSN')
  await house.send([], { recipients, envelopeId: 'QQ314159' })
  await until('delivered', async () => (await left())[0]?.state === 'delivered')
  await house.sql('update queue set run_at = now() where state = 4')
  assert.match(await told(before), /Original-Envelope-Id: QQ314159[\s\S]*Original-Recipient: rfc822;A@one\.test\r\n[\s\S]*Action: relayed/)
  peer.script = (line) => (line.startsWith('RCPT') ? '550 5.1.1 no' : undefined)
  await house.send(['b@one.test'], { reversePath: '' })
  await empty()
  assert.equal((await house.inbox()).length, before + 1)
})

test('RET=FULL: who was not reached has the whole message go back, up to 1 MiB; who was, or did not ask, has its header', async () => {
  peer.script = (line) => (line.includes('<bad@') ? '550 5.1.1 no' : undefined)
  peer.extensions = peer.extensions.filter((x) => x !== 'DSN')
  work()
  const report = async (address: string, ret: 'FULL' | 'HDRS' | undefined, body: string): Promise<string> => {
    const before = (await house.inbox()).length
    const recipients = [{ address, domain: 'one.test', notify: NOTIFY.failure | NOTIFY.success }]
    await house.send([], { recipients, ret, prefix: Buffer.from('Received: us\r\n'), skip: 8 }, `X-Own:\r\nSubject: s\r\n\r\n${body}`)
    await until('settled', async () => ['failed', 'delivered'].includes((await left())[0]?.state ?? ''))
    await house.sql('update queue set run_at = now() where state > 2')
    const text = await told(before)
    await empty()
    return text
  }
  const full = /Content-Type: message\/rfc822\r\n\r\nReceived: us\r\nSubject: s\r\n\r\nall of it\r\n\r\n--/
  const header = /Content-Type: text\/rfc822-headers\r\n\r\nReceived: us\r\n/
  assert.match(await report('bad@one.test', 'FULL', 'all of it\r\n'), full)
  for (const [address, ret] of [
    ['good@one.test', 'FULL'],
    ['bad@one.test', 'HDRS'],
    ['bad@one.test', undefined],
  ] as const) {
    const text = await report(address, ret, 'all of it\r\n')
    assert.match(text, header, `${address} ${ret}`)
    assert.doesNotMatch(text, /all of it/, `${address} ${ret}`)
  }
  assert.match(await report('bad@one.test', 'FULL', `${'x'.repeat(70)}\r\n`.repeat(15_000)), header)
  // The report comes into a mailbox that is full, and makes it no fuller than it must.
  await house.sql(`update account set quota = 1 where account_id = ${house.anna.account}`)
  assert.match(await report('bad@one.test', 'FULL', 'all of it\r\n'), header)
  await house.sql(`update account set quota = null where account_id = ${house.anna.account}`)
})

test('late is what is not gone four hours after it was to go: what its sender had held longer is not, at the first try', async () => {
  const before = (await house.inbox()).length
  peer.script = (line) => (line.startsWith('RCPT') ? '451 4.7.1 greylisted' : undefined)
  const hold = 6 * 3_600_000
  const recipients = [{ address: 'a@one.test', domain: 'one.test', notify: NOTIFY.delay as number }]
  // As it is where it was queued so long ago.
  await house.send([], { recipients, expires: Date.now() + hold + 5 * 86_400_000 })
  const pass = (ms: number) =>
    house.sql(
      `with o as (update outbound set queued_at = queued_at - interval '${ms} ms') update queue set expires_at = expires_at - interval '${ms} ms', run_at = now()`,
    )
  await pass(hold)
  work({ schedule: [3600] })
  const tried = (times: number) => until('tried', async () => (await left())[0]?.attempts === times && (await left())[0]?.state === 'waiting')
  await tried(1)
  await worker!.stop(0)
  assert.equal((await house.inbox()).length, before)
  await pass(4 * 3_600_000)
  work({ schedule: [3600] })
  assert.match(await told(before), /Action: delayed/)
})

test('who could not be told of a delay is told when it is tried next, and then no more', async () => {
  peer.script = (line) => (line.startsWith('RCPT') ? '451 4.7.1 greylisted' : undefined)
  let [calls, told] = [0, 0]
  const late: Reporter['late'] = async (_, outcomes) => {
    if (!outcomes.some(({ kind, ...o }) => kind === 'deferred' && 'warned' in o && o.warned)) return
    if (++calls === 1) throw new Unavailable('away')
    told++
  }
  await house.send(['a@one.test'])
  await house.sql(
    `with o as (update outbound set queued_at = queued_at - interval '5 hours') update queue set expires_at = expires_at - interval '5 hours'`,
  )
  work({ reporter: { tell: async () => false, late } })
  await until('three attempts', async () => (await left())[0]!.attempts >= 4)
  assert.deepEqual([calls, told], [2, 1])
})

test('where the other server reports by itself it is asked to, and nothing is said twice; who wants to hear nothing hears nothing, however it ends', async () => {
  const before = (await house.inbox()).length
  work()
  const to = (address: string, notify: number) => ({ address, domain: 'one.test', notify })
  await house.send([], { recipients: [to('a@one.test', NOTIFY.success)] })
  await empty()
  assert.ok(peer.lines.includes('RCPT TO:<a@one.test> NOTIFY=SUCCESS'))
  await worker!.stop(0)
  const old = { expires: Date.now() - 1000, notBefore: Date.now() - 2000 }
  await house.send([], { recipients: [to('never@one.test', NOTIFY.never), to('success@one.test', NOTIFY.success)], ...old })
  await house.send([], { recipients: [to('failure@one.test', NOTIFY.failure)], ...old })
  await house.send([], { recipients: [to('null@one.test', NOTIFY.failure)], reversePath: '', ...old })
  assert.equal(await house.queue.expire(), 4)
  work()
  await empty()
  const reports = (await house.inbox()).slice(before)
  assert.deepEqual(
    reports.map((text) => [...text.matchAll(/Final-Recipient: rfc822; (\S+)/g)].map(([, address]) => address)),
    [['failure@one.test']],
  )
})

test('stopped in the middle: it goes back as if it had not been tried, and another worker sends it', async () => {
  for (const at of ['DATA', 'CONNECT']) {
    peer.script = (line) => (line === at ? 'hang' : undefined)
    const before = peer.connections
    work()
    if (at === 'DATA') await house.send(['a@one.test'])
    await until('under way', () => (at === 'DATA' ? peer.lines.includes(at) : peer.connections > before))
    await worker!.stop(50)
    assert.deepEqual(await left(), [{ address: 'a@one.test', state: 'waiting', said: '', attempts: 0 }], at)
  }
  peer.script = () => undefined
  work()
  await empty()
  assert.equal(peer.took.length, 1)
})

test('queued mail for people here is put into their mailbox, once, with what is wrong said', async () => {
  work()
  const before = (await house.inbox(house.ben)).length
  await house.send(
    ['ben@example.test', 'nobody@example.test'],
    { prefix: Buffer.from('X-Top: y\r\n') },
    'Return-Path: <x>\r\nSubject: held\r\n\r\nhi\r\n',
  )
  await until('settled', async () => (await left()).every(({ state }) => state === 'failed'))
  const texts = await house.inbox(house.ben)
  assert.equal(texts.length, before + 1)
  assert.equal(texts.at(-1), 'Return-Path: <anna@example.test>\r\nX-Top: y\r\nReturn-Path: <x>\r\nSubject: held\r\n\r\nhi\r\n')
  assert.deepEqual(
    (await left()).map(({ address, said }) => [address, said]),
    [['nobody@example.test', 'No such user here']],
  )
  assert.equal(peer.connections, 0)
})

test('names are known however they are written: of the sender who is told, and of who is here', async () => {
  peer.script = (line) => (line.startsWith('RCPT') ? '550 5.1.1 no' : undefined)
  const [before, own] = [(await house.inbox()).length, (await house.inbox(house.ben)).length]
  work()
  await house.send(['x@one.test', 'BeN@example.test'], { reversePath: 'AnnA@example.test' })
  await until('settled', async () => (await left()).every(({ state }) => state === 'failed'))
  await house.sql('update queue set run_at = now() where state = 3')
  assert.match(await told(before), /Final-Recipient: rfc822; x@one\.test/)
  assert.equal((await house.inbox(house.ben)).length, own + 1)
})
