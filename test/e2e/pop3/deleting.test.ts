/** What is deleted, when, and by whom: DELE, RSET, QUIT, the policies, and the lease. RFC 1939 §4, §6. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Listener } from '../../../src/net/listener.ts'
import { Unavailable } from '../../../src/store/errors.ts'
import { flagNames } from '../../../src/store/flags.ts'
import { formatRanges } from '../../../src/store/uidset.ts'
import { Client, type House, pop3House, quit } from './harness.ts'

const USERS = {
  anna: 'client',
  ben: 'client',
  carl: 'client',
  dora: 'delete',
  dirk: 'delete',
  emil: 'keep',
  fred: 'keep',
  gina: 'client',
  hans: 'client',
  ida: 'client',
} as const
let house: House
let listener: Listener
before(async () => {
  house = await pop3House(USERS)
  listener = await house.serve()
})
after(() => house.close())

const messages = (n: number): string[] => Array.from({ length: n }, (_, i) => `Subject: ${i + 1}\r\n\r\nbody\r\n`)

/** UIDs that IMAP sees. */
async function uids(user: string): Promise<string> {
  await using selected = await house.store.select(await house.inbox(user), { changed() {}, gone() {} })
  return formatRanges(selected.view.uids('uid', [1, 2 ** 32 - 1]))
}

const loginWhenFree = (user: string): Promise<Client> => Client.loginWhenFree(house, listener, user)

test('a dropped connection deletes nothing, and the maildrop is free at once', async () => {
  await house.append('anna', messages(5))
  const client = await Client.login(house, listener, 'anna')
  await client.ok('DELE 1')
  await client.ok('DELE 2')
  client.drop()
  const from = performance.now()
  const next = await loginWhenFree('anna')
  assert.ok(performance.now() - from < 3000)
  assert.equal((await next.list('LIST')).length, 5)
  next.socket.end()
  await next.closed()
  assert.equal(await uids('anna'), '1:5')
})

test('dropped within a message: nothing is deleted, the maildrop is free at once', async () => {
  await house.append('gina', [`Subject: big\r\n\r\n${'x'.repeat(76)}\r\n`.repeat(200_000), ...messages(1)])
  const client = await Client.login(house, listener, 'gina')
  await client.ok('DELE 2')
  client.say('RETR 1\r\n')
  await client.line()
  client.drop()
  await quit(await loginWhenFree('gina'))
  assert.equal(await uids('gina'), '1:2')
})

test('QUIT deletes exactly what was marked, before it says so, and an IMAP session sees it at once', async () => {
  await house.append('ben', messages(6))
  const heard: string[] = []
  await using selected = await house.store.select(await house.inbox('ben'), { changed: () => heard.push('changed'), gone() {} })
  const client = await Client.login(house, listener, 'ben')
  for (const n of [6, 2, 3]) assert.match(await client.ok(`DELE ${n}`), /deleted/)
  assert.deepEqual(
    (await client.list('LIST')).map((line) => line.split(' ')[0]),
    ['1', '4', '5'],
  )
  assert.equal((await client.ok('STAT')).split(' ')[0], '3')
  for (const line of ['DELE 2', 'RETR 2', 'TOP 2 0', 'LIST 2', 'UIDL 2', 'DELE 7', 'DELE 0']) await client.err(line)
  await client.ok('RSET')
  assert.equal((await client.list('UIDL')).length, 6)
  await client.ok('DELE 2')
  await client.ok('DELE 5')
  assert.equal(heard.length, 0)
  assert.match(await client.ok('QUIT'), /: 2$/)
  assert.equal(await house.count('ben'), 4)
  await client.closed()
  while (heard.length === 0) await sleep(1)
  assert.deepEqual(
    selected.view.pull({ expunges: true }).expunged.map(({ uid }) => uid),
    [5, 2],
  )
  assert.equal(await uids('ben'), '1,3:4,6')
})

test('QUIT sent with the commands before it, and the connection ended on our side', async () => {
  await house.append('carl', messages(3))
  const client = await Client.login(house, listener, 'carl')
  client.socket.end('DELE 1\r\nDELE 3\r\nQUIT\r\n')
  for (let i = 0; i < 3; i++) assert.match((await client.line()) ?? '', /^\+OK/)
  await client.closed()
  assert.equal(await uids('carl'), '2')
})

test('QUIT before login, and without marks, deletes nothing', async () => {
  const anonymous = await Client.connect(house, listener)
  await quit(anonymous)
  const client = await Client.login(house, listener, 'carl')
  await client.message('RETR 1')
  await quit(client)
  assert.equal(await uids('carl'), '2')
})

test('policy delete: what was retrieved whole goes too, what was only looked at stays', async () => {
  await house.append('dora', messages(5))
  const client = await Client.login(house, listener, 'dora')
  assert.ok((await client.list('CAPA')).includes('EXPIRE 0'))
  await client.message('RETR 1')
  await client.message('TOP 2 100')
  await client.ok('DELE 4')
  await client.message('RETR 5')
  await client.ok('RSET')
  await quit(client)
  assert.equal(await uids('dora'), '2:4')
})

test('policy delete: a TOP that asks for more lines than any message has is a RETR', async () => {
  await house.append('dirk', messages(5))
  const client = await Client.login(house, listener, 'dirk')
  const whole = await client.message('TOP 1 99999999')
  assert.deepEqual(await client.message('RETR 2'), await client.message('TOP 2 99999999'))
  assert.ok(whole.length > 0)
  await client.message('TOP 3 99999')
  client.say('TOP 4 99999999\r\nQUIT\r\n')
  await client.line()
  await client.rest()
  await client.line()
  await client.closed()
  assert.equal(await uids('dirk'), '3,5')
})

test('policy delete: nothing goes without QUIT', async () => {
  const client = await Client.login(house, listener, 'dora')
  await client.message('RETR 1')
  client.drop()
  await quit(await loginWhenFree('dora'))
  assert.equal(await uids('dora'), '2:4')
})

test('policy keep: DELE hides from POP3, IMAP keeps it', async () => {
  await house.append('emil', messages(4))
  const before = await Client.login(house, listener, 'emil')
  const ids = await before.list('UIDL')
  await before.ok('DELE 2')
  await before.message('RETR 3')
  await quit(before)
  assert.equal(await uids('emil'), '1:4')
  await house.append('emil', ['Subject: new\r\n\r\n'])
  const next = await Client.login(house, listener, 'emil')
  assert.deepEqual(
    (await next.list('UIDL')).slice(0, 3).map((line) => line.split(' ')[1]),
    [0, 2, 3].map((i) => ids[i]!.split(' ')[1]),
  )
  assert.equal(String(await next.message('RETR 2')), 'Subject: 3\r\n\r\nbody\r\n')
  assert.equal(String(await next.message('RETR 4')), 'Subject: new\r\n\r\n')
  await next.ok('DELE 4')
  await quit(next)
  await using selected = await house.store.select(await house.inbox('emil'), { changed() {}, gone() {} })
  const { segment, row } = selected.index.find(2)!
  assert.deepEqual(flagNames({ lo: segment.lo[row]!, hi: segment.hi[row]! }, selected.index.keywords), ['$POP3Deleted'])
  const last = await Client.login(house, listener, 'emil')
  assert.equal((await last.list('LIST')).length, 3)
  await quit(last)
})

test('a second login is told that the maildrop is in use, until the first one ends', async () => {
  const first = await Client.login(house, listener, 'anna')
  const second = await Client.connect(house, listener)
  await second.ok('USER anna@example.test')
  await second.err('PASS correct horse', /^-ERR \[IN-USE\] /)
  // Still usable, and not counted as a wrong password.
  for (let i = 0; i < 5; i++) {
    await second.ok('USER anna@example.test')
    await second.err('PASS correct horse', /^-ERR \[IN-USE\] /)
  }
  await first.ok('QUIT')
  await second.ok('USER anna@example.test')
  await second.ok('PASS correct horse')
  await quit(second)
})

test('two logins at the same moment: one gets it', async () => {
  const clients = await Promise.all([1, 2, 3].map(() => Client.connect(house, listener)))
  const replies = await Promise.all(
    clients.map(async (client) => {
      await client.ok('USER anna@example.test')
      return client.command('PASS correct horse')
    }),
  )
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 13)).sort((a, b) => (a < b ? -1 : 1)),
    ['+OK Maildrop ', '-ERR [IN-USE]', '-ERR [IN-USE]'],
  )
  for (const client of clients) client.drop()
})

test('a session whose lease was taken over deletes nothing', async () => {
  await house.append('hans', messages(3))
  const client = await Client.login(house, listener, 'hans')
  await client.ok('DELE 1')
  await takeOver('hans')
  assert.match(await client.command('QUIT'), /^-ERR \[SYS\/TEMP\] /)
  await client.closed()
  assert.equal(await uids('hans'), '1:3')
})

test('policy keep: a session whose lease was taken over hides nothing', async () => {
  await house.append('fred', messages(3))
  const client = await Client.login(house, listener, 'fred')
  await client.ok('DELE 1')
  await takeOver('fred')
  assert.match(await client.command('QUIT'), /^-ERR \[SYS\/TEMP\] /)
  const next = await loginWhenFree('fred')
  assert.equal((await next.list('LIST')).length, 3)
  await quit(next)
})

test('a database that is away at QUIT: said so, nothing deleted', async () => {
  await house.append('ida', messages(2))
  const away = new Proxy(house.store, {
    get: (target, verb) => (verb === 'settleMaildrop' ? () => Promise.reject(new Unavailable('away')) : Reflect.get(target, verb)),
  })
  const elsewhere = await house.serve({ store: away })
  const client = await Client.login(house, elsewhere, 'ida')
  await client.ok('DELE 1')
  assert.match(await client.command('QUIT'), /^-ERR \[SYS\/TEMP\] /)
  await client.closed()
  assert.equal(await uids('ida'), '1:2')
  await quit(await Client.login(house, listener, 'ida'))
})

/** As another server would, once the lease ran out: the holder's lease is let go behind its back, and given anew. */
async function takeOver(user: string): Promise<void> {
  const inbox = await house.inbox(user)
  const held = await house.heldLease(inbox.by)
  await house.leases.release(held)
  const taken = await house.leases.acquire(inbox)
  await house.leases.release(taken)
}
