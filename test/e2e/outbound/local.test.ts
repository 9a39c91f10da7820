/** What the queue brings to people here takes the ways that mail takes which arrives: forwarding, lists, senders that nobody wants, the way back; once, whatever happens. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { silentLog } from '../../../src/log.ts'
import { srsOf } from '../../../src/serve/outbound.ts'
import { deliverHere } from '../../../src/smtp/outbound/local.ts'
import { createReporter } from '../../../src/smtp/outbound/report.ts'
import type { Inbound, WantedState } from '../../../src/store/accounts.ts'
import { NOTIFY } from '../../../src/store/queue.ts'
import { type House, outboundHouse, until } from './house.ts'
import { type Peer, startPeer } from './peer.ts'

const mx = { MX: [{ preference: 10, exchange: 'mx.elsewhere.example' }] }
let house: House
let peer: Peer
before(async () => {
  house = await outboundHouse({ 'elsewhere.example': mx, 'mx.elsewhere.example': { A: ['127.0.0.1'] }, 'writer.example': mx })
  peer = await startPeer()
})
beforeEach(() => {
  peer.took.length = 0
})
after(async () => {
  await peer?.close()
  await house?.close()
})

const account = (name: string, inbound?: Inbound, quota?: number) => ({
  ...{ address: `${name}@example.test`, aliases: [`${name}2@example.test`], passwordHash: '$argon2id$none', quota },
  ...(inbound && { inbound }),
})
const reconcile = (more: Partial<WantedState>) =>
  house.accounts.reconcile({ domains: ['example.test'], accounts: [account('anna'), account('ben')], ...more })
const deps = () => ({ ...house, srs: srsOf(house.accounts) })
/** As a worker has it that died before it could settle. */
async function claimed() {
  const [due] = await house.queue.due(1, [])
  assert.ok(due)
  return (await house.queue.claim(due, 'dead'))!
}
const statuses = async (claim: Awaited<ReturnType<typeof claimed>>) => (await deliverHere(claim, deps()))!.map(({ status }) => status)
const having = (texts: readonly string[], word: string) => texts.filter((text) => text.includes(word)).length
const waiting = async () => (await house.queue.list({ limit: 99 })).map(({ reversePath, address }) => `${reversePath} ${address}`).sort()
const dropAll = () => house.sql('delete from queue')
let made = 0
const text = (more = '') => `${more}Subject: no ${++made}.\r\n\r\nbody\r\n`
const subject = () => `Subject: no ${made}.`

test('who forwards has it here or not, and it goes on, once, by however many names and attempts', async () => {
  for (const keep of [true, false]) {
    await reconcile({ accounts: [account('anna'), account('ben', { forward: { to: ['ben@elsewhere.example', 'b@elsewhere.example'], keep } })] })
    await house.send(['ben@example.test', 'ben2@example.test', 'Ben+tag@example.test'], {}, text())
    const claim = await claimed()
    assert.equal(claim.recipients.length, 3)
    for (let i = 0; i < 2; i++) assert.deepEqual(await statuses(claim), ['2.0.0', '2.0.0', '2.0.0'])
    assert.equal(having(await house.inbox(house.ben), subject()), keep ? 1 : 0)
    const srs = (await srsOf(house.accounts)()).forward('anna@example.test', 'example.test')
    const own = claim.recipients.map(({ address }) => `anna@example.test ${address}`)
    assert.deepEqual(await waiting(), [`${srs} ben@elsewhere.example`, `${srs} b@elsewhere.example`, ...own].sort())
    await house.queue.settle(
      claim,
      claim.recipients.map(({ id, epoch }) => ({ kind: 'delivered', id, epoch, status: '2.0.0', said: '', remote: '' })),
      'dead',
    )
    const worker = house.work(peer.port)
    await until('it is sent on', () => peer.took.length === 1)
    await worker.stop(1_000)
    const [took] = peer.took.splice(0)
    assert.equal(took!.from, srs)
    assert.deepEqual(took!.to.toSorted(), ['b@elsewhere.example', 'ben@elsewhere.example'])
    assert.ok(took!.text.startsWith(`Delivered-To: ben@example.test\r\n${subject()}`), took!.text)
  }
})

test('what goes in circles ends', async () => {
  await reconcile({ accounts: [account('anna'), account('ben', { forward: { to: ['ben@elsewhere.example'], keep: true } })] })
  await house.send(['ben@example.test'], { prefix: Buffer.from('Delivered-To: BEN@example.test\r\n') }, text())
  assert.deepEqual(await statuses(await claimed()), ['5.4.6'])
  await dropAll()
  await house.send(['ben2@example.test'], {}, text('Received: from x\r\nDelivered-To: <ben@example.test>\r\n'))
  assert.deepEqual(await statuses(await claimed()), ['5.4.6'])
  assert.equal(having(await house.inbox(house.ben), subject()), 0)
  await dropAll()
})

test('whose mail nobody wants is refused, also where it was forwarded', async () => {
  await reconcile({ accounts: [account('anna'), account('ben', { block: ['anna@example.test', 'writer.example'] })] })
  const srs = await srsOf(house.accounts)()
  for (const [reversePath, status] of [
    ['anna@example.test', '5.7.1'],
    [srs.forward('x@writer.example', 'example.test')!, '5.7.1'],
    [srs.forward('x@other.example', 'example.test')!, '2.0.0'],
    ['', '2.0.0'],
  ] as const) {
    await house.send(['ben@example.test'], { reversePath }, text())
    assert.deepEqual(await statuses(await claimed()), [status], reversePath)
    await dropAll()
  }
})

test('a list: those here at once, who is full when there is room, others in the name of its owner', async () => {
  const forward = { to: ['ben@elsewhere.example'], keep: true }
  const list = {
    address: 'team@example.test',
    owner: 'anna@example.test',
    members: ['anna@example.test', 'ben@example.test'],
    onward: ['c@elsewhere.example'],
  }
  await reconcile({ lists: [list], accounts: [account('anna'), account('ben', { forward }, 1)] })
  await house.send(['team@example.test', 'anna@example.test'], { reversePath: 'ben@example.test' }, text())
  const claim = await claimed()
  for (let i = 0; i < 2; i++) assert.deepEqual(await statuses(claim), ['2.0.0', '2.0.0'])
  assert.equal(having(await house.inbox(house.anna), subject()), 1)
  assert.equal(having(await house.inbox(house.ben), subject()), 0)
  await house.queue.settle(
    claim,
    claim.recipients.map(({ id, epoch }) => ({ kind: 'delivered', id, epoch, status: '2.0.0', said: '', remote: '' })),
    'dead',
  )
  assert.deepEqual(await waiting(), ['anna@example.test ben@example.test', 'anna@example.test c@elsewhere.example'])
  const full = await house.queue.claim((await house.queue.due(9, [])).find(({ domain }) => domain === 'example.test')!, 'dead')
  assert.deepEqual(await statuses(full!), ['4.2.2'])
  await reconcile({ lists: [list], accounts: [account('anna'), account('ben', { forward })] })
  assert.deepEqual(await statuses(full!), ['2.0.0'])
  assert.equal(having(await house.inbox(house.ben), subject()), 1)
  const srs = (await srsOf(house.accounts)()).forward('anna@example.test', 'example.test')
  assert.ok((await waiting()).includes(`${srs} ben@elsewhere.example`), `${await waiting()}`)
  await dropAll()
})

test('the way back: to who wrote, here or elsewhere, through several forwarders; nobody makes one up', async () => {
  await reconcile({})
  const srs = await srsOf(house.accounts)()
  const mine = srs.forward('anna@example.test', 'example.test')!
  const theirs = srs.forward('x@writer.example', 'example.test')!
  const twice = srs.forward(srs.forward('x@first.example', 'writer.example')!, 'example.test')!
  for (const [to, reversePath, status, next] of [
    [mine, '', '2.0.0', ' anna@example.test'],
    [theirs, '', '2.0.0', ' x@writer.example'],
    [twice, '', '2.0.0', ` ${srs.forward('x@first.example', 'writer.example')}`],
    [mine, 'x@writer.example', '5.7.1', undefined],
    [mine.replace('anna', 'ben'), '', '5.1.1', undefined],
    [`SRS0=AAAAAAAA=AA=writer.example=x@example.test`, '', '5.1.1', undefined],
  ] as const) {
    await house.send([to], { reversePath }, text())
    const claim = await claimed()
    for (let i = 0; i < 2; i++) assert.deepEqual(await statuses(claim), [status], to)
    const [own] = claim.recipients
    assert.deepEqual(
      (await waiting()).filter((line) => !line.endsWith(own!.address)),
      next === undefined ? [] : [next],
    )
    await dropAll()
  }
  await house.send([mine], { reversePath: '', recipients: [{ address: mine, domain: 'example.test', notify: NOTIFY.never }] }, text())
  const worker = house.work(peer.port)
  await until('it is with who wrote', async () => having(await house.inbox(house.anna), subject()) === 1)
  await worker.stop(1_000)
})

test('forwarded here twice: one address for the way back, and what fails is told to who wrote', async () => {
  await reconcile({ accounts: [account('anna'), account('ben', { forward: { to: ['gone@elsewhere.example'], keep: false } })] })
  const srs = await srsOf(house.accounts)()
  const by = srs.forward('x@writer.example', 'example.test')!
  peer.script = (line) => (line.startsWith('RCPT TO:<gone@') ? '550 5.1.1 gone' : undefined)
  await house.send(['ben@example.test'], { reversePath: by }, text())
  const { queue, store, accounts } = house
  const reporter = createReporter({
    queue,
    store,
    accounts,
    srs: srsOf(accounts),
    hostname: 'mail.example.test',
    owner: 'reporter',
    log: silentLog(),
  })
  const worker = house.work(peer.port, { reporter })
  await until('it failed', async () =>
    (await house.queue.list({ limit: 9 })).some(({ state, reversePath }) => state === 'failed' && reversePath === by),
  )
  await house.sql('update queue set run_at = now() where state = 3')
  await until('it is told', () => peer.took.some(({ from, to }) => from === '' && to.includes('x@writer.example')))
  await worker.stop(1_000)
  peer.script = () => undefined
})

test('who wants to hear that it came hears it of those here, and of the next server where nobody here has it', async () => {
  const recipients = [{ address: 'ben@example.test', domain: 'example.test', notify: NOTIFY.success }]
  const reports = async () => (await house.inbox(house.anna)).filter((one) => one.includes('Final-Recipient: rfc822; ben@example.test'))
  await reconcile({})
  await house.send([], { recipients }, text())
  const worker = house.work(peer.port)
  await until('it is here', async () => having(await house.inbox(house.ben), subject()) === 1)
  await until('it is settled', async () => (await house.queue.list({ limit: 9 })).every(({ state }) => state === 'delivered'))
  await house.sql('update queue set run_at = now() where state = 4')
  await until('it is told', async () => (await reports()).length === 1)
  assert.match((await reports())[0]!, /\r\nAction: delivered\r\n/)
  await worker.stop(1_000)
  await reconcile({ accounts: [account('anna'), account('ben', { forward: { to: ['ben@elsewhere.example'], keep: false } })] })
  await house.send([], { recipients }, text())
  const next = house.work(peer.port)
  await until('it is sent on', () => peer.took.length === 1)
  await until('nothing is left', async () => (await house.queue.list({ limit: 9 })).length === 0)
  await next.stop(1_000)
  assert.ok(
    peer.lines.some((line) => line.startsWith('RCPT TO:<ben@elsewhere.example> NOTIFY=SUCCESS')),
    `${peer.lines}`,
  )
  assert.equal((await reports()).length, 1)
})

test('who wants to hear nothing hears nothing of the copy that goes on either', async () => {
  for (const [notify, told] of [
    [NOTIFY.never, NOTIFY.never],
    [NOTIFY.failure, NOTIFY.failure | NOTIFY.unsaid],
  ] as const) {
    await reconcile({ accounts: [account('anna'), account('ben', { forward: { to: ['ben@elsewhere.example'], keep: true } })] })
    await house.send(['ben@example.test'], { recipients: [{ address: 'ben@example.test', domain: 'example.test', notify }] }, text())
    assert.deepEqual(await statuses(await claimed()), ['2.0.0'])
    assert.equal(await house.count("select notify::int8 from queue where domain = 'elsewhere.example'"), told)
    await dropAll()
  }
})
