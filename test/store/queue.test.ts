/** The queue: accepted means queued, claimed means fenced, settled means told; and nobody waits behind somebody else. */
import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { reapAccount } from '../../src/store/pg/reaper.ts'
import { type Claim, type NewOutbound, NOTIFY, type Outcome, type Queue } from '../../src/store/queue.ts'
import type { AccountId } from '../../src/store/types.ts'
import { stage, testStore } from '../support/store.ts'

const opened = await testStore()
const { store, queue, anna, ben } = opened
const pool = new Pool({ connect: opened.db.connect, max: 2, log: silentLog() })
after(async () => {
  await pool.close()
  await opened.close()
})

let counter = 0
const run = (text: string): Promise<number> => pool.rows({ name: `t_queue_${counter++}`, text }, [])
const number = async (text: string): Promise<number> => {
  let found = Number.NaN
  await pool.rows({ name: `t_queue_${counter++}`, text }, [], (row) => {
    found = row.long()
  })
  return found
}
const rows = (table: string): Promise<number> => number(`select count(*)::int8 from ${table}`)
beforeEach(async () => {
  for (const table of ['queue', 'outbound', 'queue_domain', 'sent']) await run(`delete from ${table}`)
})

const to = (address: string, notify: number = NOTIFY.failure) => ({ address, domain: address.slice(address.indexOf('@') + 1), notify })
const mail = (recipients: NewOutbound['recipients'], more: Partial<NewOutbound> = {}): NewOutbound => ({
  ...{
    recipients,
    reversePath: 'anna@example.test',
    prefix: Buffer.from('Received: x\r\n'),
    skip: 0,
    eightBit: false,
    utf8: false,
    requireTls: false,
  },
  ...{ notBefore: Date.now(), expires: Date.now() + 86_400_000, counts: true, ...more },
})

async function enqueue(a: AccountAccess, recipients: NewOutbound['recipients'], more: Partial<NewOutbound> = {}, size = 0) {
  const content = await stage(store, a, Buffer.from(`Subject: ${counter++}\r\n\r\n${'x'.repeat(size)}\r\n`))
  const done = await queue.enqueue(a, content, mail(recipients, more), `attempt ${counter}`)
  return { ...done, content }
}

/** All that is due, claimed one by one. */
async function claimAll(owner = 'w'): Promise<Claim[]> {
  const claims: Claim[] = []
  for (let found = await queue.due(1000, []); found.length > 0; found = await queue.due(1000, []))
    for (const pair of found) {
      const claim = await queue.claim(pair, owner)
      if (claim) claims.push(claim)
    }
  return claims
}

const told = { status: '2.0.0', said: 'ok', remote: 'mx.test' }
const outcomes = (
  { recipients }: Claim,
  what: { kind: 'delivered' | 'failed' | 'released' } | { kind: 'deferred'; seconds: number; inDoubt?: boolean },
): Outcome[] => recipients.map(({ id, epoch }) => ({ id, epoch, ...told, ...what }))
const settleAll = async (claims: readonly Claim[], what: Parameters<typeof outcomes>[1], on: Queue = queue) => {
  for (const claim of claims) await on.settle(claim, outcomes(claim, what), 'w')
}

test('what was queued comes out as it went in, its recipients together by their domain', async () => {
  const more = {
    prefix: Buffer.from('A: b\r\n'),
    skip: 3,
    eightBit: true,
    requireTls: true,
    tlsOptional: true,
    envelopeId: 'e+2B1',
    ret: 'HDRS',
  } as const
  const { content } = await enqueue(
    anna,
    [to('a@one.test', NOTIFY.never), { ...to('b@two.test'), original: 'rfc822;B@two.test' }, to('c@one.test')],
    more,
  )
  const claims = (await claimAll()).sort((a, b) => a.domain.localeCompare(b.domain))
  assert.deepEqual(
    claims.map(({ domain, recipients }) => [domain, ...recipients.map((r) => [r.address, r.notify, r.original, r.attempts])]),
    [
      ['one.test', ['a@one.test', 0, undefined, 1], ['c@one.test', 2, undefined, 1]],
      ['two.test', ['b@two.test', 2, 'rfc822;B@two.test', 1]],
    ],
  )
  const { message } = claims[0]!
  assert.deepEqual(
    [message.id, message.reversePath, message.eightBit, message.utf8, message.requireTls, message.tlsOptional, message.envelopeId, message.ret],
    [...[content.id, 'anna@example.test', true, false, true, true, 'e+2B1', 'HDRS']],
  )
  const octets: Buffer[] = [message.prefix]
  for await (const piece of store.read(message.access, message.id, message.skip, content.size)) octets.push(piece)
  assert.equal(Buffer.concat(octets).length, message.size)
  assert.match(Buffer.concat(octets).toString(), /^A: b\r\nject: \d+\r\n\r\n\r\n$/)
  await settleAll(claims, { kind: 'delivered' })
  assert.deepEqual([await rows('queue'), await rows('outbound')], [0, 0])
})

test('a retry writes nothing until the client was seen to have heard; a message of many pieces is whole', async () => {
  const body = Buffer.from(`Subject: big\r\n\r\n${'0123456789abcde\n'.repeat(50_000)}`)
  const first = await queue.enqueue(anna, await stage(store, anna, body), mail([to('a@one.test')]), 'the same')
  const again = await queue.enqueue(anna, await stage(store, anna, body), mail([to('a@one.test')]), 'the same')
  assert.deepEqual([first.again, again.again, await rows('queue'), (await queue.sent(anna.account)).day], [false, true, 1, 1])
  again.confirm()
  const later = await queue.enqueue(anna, await stage(store, anna, body), mail([to('a@one.test')]), 'the same')
  assert.deepEqual([later.again, await rows('queue')], [false, 2])
  const [claim] = await claimAll()
  let size = 0
  for await (const piece of store.read(claim!.message.access, claim!.message.id, 0, body.length)) size += piece.length
  assert.equal(size, body.length)
})

test('the same text for others, by a client that splits its recipients, is queued for them; a retry of either part for nobody', async () => {
  const text = Buffer.from('Subject: to many\r\n\r\nhello\r\n')
  const send = async (...addresses: string[]) =>
    queue.enqueue(anna, await stage(store, anna, text), mail(addresses.map((address) => to(address))), 'split')
  const waiting = async (): Promise<string[]> => (await queue.list({ limit: 10 })).map(({ address }) => address).sort()
  const [first, second] = await Promise.all([send('a@one.test', 'b@one.test'), send('c@one.test', 'd@two.test')])
  assert.deepEqual([first.again, second.again], [false, false])
  assert.deepEqual(await waiting(), ['a@one.test', 'b@one.test', 'c@one.test', 'd@two.test'])
  // Nobody knows whether it was heard: part of it again, all of the other, and one more.
  assert.deepEqual([(await send('b@one.test')).again, (await send('c@one.test', 'd@two.test')).again], [true, true])
  assert.equal((await send('a@one.test', 'e@two.test')).again, false)
  assert.deepEqual(await waiting(), ['a@one.test', 'b@one.test', 'c@one.test', 'd@two.test', 'e@two.test'])
  assert.equal((await queue.sent(anna.account)).day, 5)
  // Who heard of its own part only speaks for that.
  second.confirm()
  assert.equal((await send('c@one.test', 'd@two.test')).again, false)
  assert.equal((await send('a@one.test', 'b@one.test')).again, true)
})

test('two workers, one message: each recipient is claimed once', async () => {
  for (let i = 0; i < 30; i++) await enqueue(anna, [to(`a${i}@one.test`), to(`b${i}@one.test`)])
  const pair = (await queue.due(1, []))[0]!
  const claimed = await Promise.all(
    ['w1', 'w2', 'w3', 'w4'].map(async (owner) => {
      const mine: Claim[] = []
      for (let claim = await queue.claim(pair, owner); claim; claim = await queue.claim(pair, owner)) mine.push(claim)
      return mine
    }),
  )
  const ids = claimed.flat().flatMap((claim) => claim.recipients.map((r) => r.id))
  assert.equal(ids.length, 60)
  assert.equal(new Set(ids).size, 60)
})

test('who was overtaken settles nothing, renews nothing and sends no dot', async () => {
  await enqueue(anna, [to('a@one.test')])
  const [old] = await claimAll('w')
  await run("update queue set run_at = now() - interval '1 second'")
  assert.equal(await queue.noteDot(old!, old!.recipients, 'w'), false)
  const [now] = await claimAll('other')
  assert.equal(now!.recipients[0]!.attempts, 2)
  assert.equal((await queue.settle(old!, outcomes(old!, { kind: 'delivered' }), 'w')).size, 0)
  assert.equal((await queue.renew([old!], 'w')).size, 0)
  assert.equal((await queue.renew([old!], 'other')).size, 0)
  assert.deepEqual(
    [await rows('queue'), (await queue.renew([now!], 'other')).size, await queue.noteDot(now!, now!.recipients, 'other')],
    [1, 1, true],
  )
})

test('in doubt it waits, whose it was may tell what came of it, and then it is tried again', async () => {
  const over = "update queue set run_at = now() - interval '1 second'"
  for (const name of ['known', 'unknown']) {
    await enqueue(anna, [to(`a@${name}.test`)])
    const [first] = await claimAll('w')
    assert.equal(await queue.noteDot(first!, first!.recipients, 'w'), true)
    await run(over)
    // Once is enough: it is not due then.
    const pair = (await queue.due(10, []))[0]!
    assert.equal(await queue.claim(pair, 'other'), undefined)
    assert.deepEqual(await queue.due(10, []), [])
    const wait = await number('select extract(epoch from max(run_at) - now())::int8 from queue')
    assert.ok(wait > 590 && wait <= 600, `${wait}`)
    if (name === 'known') {
      assert.equal((await queue.settle(first!, outcomes(first!, { kind: 'delivered' }), 'w')).size, 1)
      assert.equal(await rows('queue'), 0)
      continue
    }
    await run(`${over}, dot_at = dot_at - interval '10 minutes'`)
    const [second] = await claimAll('w')
    assert.equal(second!.recipients[0]!.attempts, 2)
    assert.equal((await queue.settle(first!, outcomes(first!, { kind: 'delivered' }), 'w')).size, 0)
    // It is known for as long as nobody tells.
    assert.equal(await queue.noteDot(second!, second!.recipients, 'w'), true)
    await settleAll([second!], { kind: 'deferred', seconds: 0, inDoubt: true })
    assert.deepEqual(await claimAll('w'), [])
    assert.equal(await queue.claim(pair, 'w', 0), undefined, 'not due')
    await run(over)
    const third = await queue.claim(pair, 'w', 0)
    await settleAll([third!], { kind: 'deferred', seconds: 0 })
    assert.equal((await claimAll('w')).length, 1)
  }
})

test('deferred is due later, released at once and as if nothing had been tried', async () => {
  await enqueue(anna, [to('a@one.test')])
  await settleAll(await claimAll(), { kind: 'released' })
  const [claim] = await claimAll()
  assert.equal(claim!.recipients[0]!.attempts, 1)
  await settleAll([claim!], { kind: 'deferred', seconds: 300 })
  assert.deepEqual(await claimAll(), [])
  const [entry] = await queue.list({ limit: 10 })
  assert.deepEqual([entry?.state, entry?.said, entry?.remote, entry?.from], ['waiting', 'ok', 'mx.test', 'anna@example.test'])
  assert.ok(Math.abs(entry!.due - Date.now() - 300_000) < 5000)
  assert.equal(await queue.retry({ domain: 'one.test' }), 1)
  assert.equal((await claimAll()).length, 1)
})

test('a message that is not to go yet waits, and what was taken back never goes', async () => {
  const { content } = await enqueue(anna, [to('a@one.test')], { notBefore: Date.now() + 60_000 })
  assert.deepEqual(await claimAll(), [])
  assert.equal(await queue.drop({ message: content.id, account: ben.account }, false), 0)
  assert.equal(await queue.drop({ message: content.id, account: anna.account }, false), 1)
  assert.deepEqual([await rows('queue'), await rows('outbound')], [0, 0])
})

test('the clock of this host does not matter: what is to go now goes now, and what is to live for an hour lives for an hour', async () => {
  const now = Date.now
  for (const skew of [-3_600_000, 3_600_000]) {
    Date.now = () => now() + skew
    try {
      await enqueue(anna, [to('a@one.test')], { notBefore: Date.now(), expires: Date.now() + 1_800_000 })
      await enqueue(anna, [to('later@one.test')], { notBefore: Date.now() + 600_000, expires: Date.now() + 1_800_000 })
    } finally {
      Date.now = now
    }
    assert.equal(await queue.expire(), 0)
    const claims = await claimAll()
    assert.deepEqual(
      claims.map(({ recipients }) => recipients[0]!.address),
      ['a@one.test'],
    )
    await settleAll(claims, { kind: 'delivered' })
    const wait = await number('select extract(epoch from max(run_at) - now())::int8 from queue')
    assert.ok(wait > 590 && wait <= 600, `${wait}`)
    await queue.drop({}, false)
  }
})

test('a domain that cannot be reached is left alone, longer each time, and the others are not', async () => {
  for (let i = 0; i < 20; i++) await enqueue(anna, [to(`${i}@dead.test`)])
  await enqueue(anna, [to('a@alive.test')])
  const dead = (await queue.due(10, ['alive.test']))[0]!
  await queue.suspend(dead, 'no route', [300, 900])
  await queue.suspend(dead, 'said by another one at the same time', [300, 900])
  assert.deepEqual(
    (await queue.due(10, [])).map(({ domain }) => domain),
    ['alive.test'],
  )
  const wait = () => number('select extract(epoch from not_before - now())::int8 from queue_domain')
  assert.ok(Math.abs((await wait()) - 300) < 10)
  await run('update queue_domain set not_before = now()')
  assert.equal((await queue.due(10, ['alive.test']))[0]?.failures, 1)
  await queue.suspend(dead, 'no route', [300, 900])
  assert.ok(Math.abs((await wait()) - 900) < 10)
  assert.equal((await queue.list({ domain: 'dead.test', limit: 1 }))[0]?.said, 'no route')
  await queue.resume(dead)
  assert.equal((await queue.due(10, [])).length, 2)
})

test('of two users each is due, however much the other one sends', async () => {
  for (let i = 0; i < 50; i++) await enqueue(anna, [to(`${i}@one.test`)])
  await enqueue(ben, [to('x@one.test')], { reversePath: 'ben@example.test' })
  assert.deepEqual(new Set((await queue.due(10, [])).map(({ account }) => account)), new Set<AccountId>([anna.account, ben.account]))
  assert.deepEqual(
    [await queue.sent(anna.account), await queue.sent(ben.account)],
    [
      { hour: 50, day: 50 },
      { hour: 1, day: 1 },
    ],
  )
  await run("update sent set hour = hour - interval '5 hours'")
  assert.deepEqual(await queue.sent(anna.account), { hour: 0, day: 50 })
})

test('the sender is told of what was asked for, once, in one report; the message is there until then', async () => {
  const { content } = await enqueue(anna, [
    to('bad@one.test'),
    to('good@two.test', NOTIFY.success),
    to('quiet@three.test', NOTIFY.never),
    to('fine@four.test'),
  ])
  for (const claim of await claimAll())
    await queue.settle(claim, outcomes(claim, { kind: claim.domain === 'two.test' || claim.domain === 'four.test' ? 'delivered' : 'failed' }), 'w')
  assert.equal(await queue.claimReport('w'), undefined, 'others of it may be settled soon')
  await run("update queue set run_at = now() - interval '1 second'")
  const report = (await queue.claimReport('w'))!
  assert.deepEqual(report.recipients.map(({ address, kind, said }) => [address, kind, said]).sort(), [
    ['bad@one.test', 'failed', 'ok'],
    ['good@two.test', 'delivered', 'ok'],
  ])
  assert.equal(await queue.claimReport('other'), undefined)
  assert.equal(report.message.id, content.id)
  // Nobody told the sender: its lease ends, and another one does.
  await run("update queue set run_at = now() - interval '1 second'")
  const again = (await queue.claimReport('other'))!
  await queue.reported(report, 'w')
  assert.equal(await rows('queue'), 2)
  await queue.reported(again, 'other')
  assert.deepEqual([await rows('queue'), await rows('outbound')], [0, 0])
})

test('nobody is told of what has no reverse-path', async () => {
  await enqueue(anna, [to('bad@one.test')], { reversePath: '' })
  await settleAll(await claimAll(), { kind: 'failed' })
  assert.deepEqual([await rows('queue'), await rows('outbound')], [0, 0])
})

test('what waited for too long fails, with the words of its domain; what is under way does not', async () => {
  await enqueue(anna, [to('a@dead.test'), to('b@slow.test')], { expires: Date.now() - 1000 })
  const slow = await queue.claim((await queue.due(10, ['dead.test']))[0]!, 'w')
  await queue.suspend((await queue.due(10, []))[0]!, 'no route to dead.test', [300])
  assert.equal(await queue.expire(), 1)
  const report = (await queue.claimReport('w'))!
  assert.deepEqual(
    report.recipients.map(({ address, kind, status, said }) => [address, kind, status, said]),
    [['a@dead.test', 'failed', '4.4.7', 'no route to dead.test']],
  )
  assert.equal((await queue.settle(slow!, outcomes(slow!, { kind: 'delivered' }), 'w')).size, 1)
  await queue.reported(report, 'w')
  assert.equal(await rows('outbound'), 0)
})

test('hold, release and drop leave alone what is under way', async () => {
  await enqueue(anna, [to('a@one.test'), to('b@two.test')])
  const one = (await queue.due(10, ['two.test']))[0]!
  const claim = await queue.claim(one, 'w')
  assert.equal(await queue.hold({}), 1)
  assert.deepEqual((await queue.list({ limit: 10 })).map(({ address, state }) => [address, state]).sort(), [
    ['a@one.test', 'sending'],
    ['b@two.test', 'held'],
  ])
  assert.deepEqual(await queue.due(10, []), [])
  assert.equal(await queue.release({ domain: 'two.test' }), 1)
  assert.equal((await queue.due(10, [])).length, 1)
  assert.equal(await queue.drop({}, true), 1)
  assert.equal((await queue.settle(claim!, outcomes(claim!, { kind: 'delivered' }), 'w')).size, 1)
  const report = (await queue.claimReport('w'))!
  assert.deepEqual(
    report.recipients.map(({ address, status }) => [address, status]),
    [['b@two.test', '5.7.1']],
  )
})

test('the reaper takes a content when no message shows it and the queue does not either', async () => {
  await run("update content set created_at = now() - interval '2 days'")
  const { content } = await enqueue(anna, [to('a@one.test')])
  await run("update content set created_at = now() - interval '1 day'")
  const there = () => number(`select count(*)::int8 from content where content_id = ${content.id}`)
  await reapAccount(pool, anna.account, 3600)
  assert.equal(await there(), 1)
  await settleAll(await claimAll(), { kind: 'delivered' })
  await reapAccount(pool, anna.account, 3600)
  assert.equal(await there(), 0)
})

test('what is to go later is not sent sooner because it was held and let go', async () => {
  await enqueue(anna, [to('later@one.test')], { notBefore: Date.now() + 3_600_000 })
  await enqueue(anna, [to('tried@one.test')])
  await settleAll(await claimAll(), { kind: 'deferred', seconds: 3_600 })
  assert.deepEqual([await queue.hold({}), await queue.release({})], [2, 2])
  assert.deepEqual(
    (await claimAll()).flatMap(({ recipients }) => recipients.map(({ address }) => address)),
    ['tried@one.test'],
  )
  const later = (await queue.list({ limit: 10 })).find(({ address }) => address === 'later@one.test')
  assert.ok(later!.heldUntil! > Date.now() + 3_500_000)
})

test('one content, queued for others and delivered to its sender', async () => {
  const content = await stage(store, anna, Buffer.from('Subject: both\r\n\r\nx\r\n'))
  const { again } = await queue.enqueue(anna, content, mail([to('a@one.test')]), 'both')
  const inbox = await store.open(anna, 'INBOX', true)
  const to1 = { to: anna, mailbox: inbox.mailbox, flags: [], stored: !again }
  assert.equal((await store.deliver(content, Date.now(), [to1], 'both')).again, 0)
  assert.equal((await store.status(inbox)).exists, 1)
})

test('who sends is woken', async () => {
  const heard = Promise.withResolvers<void>()
  const stop = queue.watch(() => heard.resolve())
  await enqueue(anna, [to('a@one.test')])
  await heard.promise
  stop()
})
