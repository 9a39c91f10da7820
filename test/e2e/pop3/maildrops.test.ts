/** Which mailbox is the maildrop and what of it is listed; what each policy does with what a session took, and what it does not; unique-ids for life. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateAppPassword, hashAppPassword } from '../../../src/auth/app-password.ts'
import { hashPassword } from '../../../src/auth/password.ts'
import type { Listener } from '../../../src/net/listener.ts'
import type { MailboxAccess } from '../../../src/store/access.ts'
import { Unavailable } from '../../../src/store/errors.ts'
import { flagNames } from '../../../src/store/flags.ts'
import { AFTER_DOWNLOAD, type AfterDownload } from '../../../src/store/pop3-policy.ts'
import { Client, type House, PASSWORD, pop3House, quit } from './harness.ts'

const POLICY_USERS = Object.fromEntries(AFTER_DOWNLOAD.map((afterDownload) => [`user-${afterDownload}`, { afterDownload, seenOnRetr: true }]))
const USERS = {
  ...POLICY_USERS,
  none: { folder: 'Lists/Nowhere' },
  shared: { folder: 'Shared/anna@example.test/INBOX' },
  anna: { folder: 'Reports' },
  newest: { maxListed: 3, afterDownload: 'keep' },
  ids: {},
  waits: {},
  away: {},
  bin: { folder: 'Trash', afterDownload: 'trash' },
  attic: { folder: 'Archive', afterDownload: 'archive' },
} as const
let house: House
let listener: Listener
/** Reads the beginning of large messages only. */
let breaking: Listener
before(async () => {
  house = await pop3House(USERS)
  listener = await house.serve()
  const read: House['store']['read'] = async function* (...range) {
    for await (const piece of house.store.read(...range)) {
      yield piece
      throw new Error('a piece of the content is gone')
    }
  }
  breaking = await house.serve({ store: new Proxy(house.store, { get: (target, verb) => (verb === 'read' ? read : Reflect.get(target, verb)) }) })
})
after(() => house.close())

const messages = (n: number, from = 1): string[] => Array.from({ length: n }, (_, i) => `Subject: ${i + from}\r\n\r\nbody\r\n`)
const folder = async (user: string, name = 'INBOX'): Promise<MailboxAccess> => house.store.open(await house.access(user), name, true)

async function put(user: string, name: string, octets: readonly string[]): Promise<void> {
  await house.append(user, octets)
  const inbox = await folder(user)
  const { exists, uidnext } = await house.store.status(inbox)
  assert.equal(exists, octets.length)
  await house.store.move(inbox, [1, uidnext - 1], await folder(user, name))
}

/** `uid flags` of each, as IMAP has them. */
async function state(user: string, name?: string): Promise<string[]> {
  await using selected = await house.store.select(await folder(user, name), { changed() {}, gone() {} })
  const { segments, keywords } = selected.index
  return segments.flatMap((s) =>
    Array.from({ length: s.count }, (_, row) => [s.uids[row], ...flagNames({ lo: s.lo[row]!, hi: s.hi[row]! }, keywords)].join(' ')),
  )
}

/** Of six: DELE 1, 2; RETR 2, 3, whole, with an RSET between that takes back DELE 5 and 6; TOP 4. */
const STAYS: Record<AfterDownload, string[]> = {
  client: ['3 \\Seen', '4', '5', '6'],
  delete: ['4', '5', '6'],
  keep: ['1 $POP3Deleted', '2 \\Seen $POP3Deleted', '3 \\Seen', '4', '5', '6'],
  trash: ['4', '5', '6'],
  archive: ['4', '5', '6'],
}
for (const policy of AFTER_DOWNLOAD) {
  const user = `user-${policy}`
  test(`policy ${policy}: DELE, RETR, TOP, RSET, and QUIT`, async () => {
    await house.append(user, messages(6))
    const client = await Client.login(house, listener, user)
    const expire = (await client.list('CAPA')).filter((line) => line.startsWith('EXPIRE'))
    assert.deepEqual(expire, [policy === 'client' || policy === 'keep' ? 'EXPIRE NEVER' : 'EXPIRE 0'])
    await client.message('RETR 3')
    for (const n of [5, 6]) await client.ok(`DELE ${n}`)
    await client.ok('RSET')
    await client.message('TOP 4 1000')
    await client.message('RETR 2')
    for (const n of [2, 1]) await client.ok(`DELE ${n}`)
    assert.deepEqual(await state(user), ['1', '2', '3', '4', '5', '6'])
    const said = await client.ok('QUIT')
    // Before the end of the connection, and without a look: whoever was told +OK finds it so.
    assert.deepEqual(await state(user), STAYS[policy])
    assert.deepEqual(await state(user, 'Trash'), policy === 'trash' ? ['1', '2 \\Seen', '3 \\Seen'] : [])
    assert.deepEqual(await state(user, 'Archive'), policy === 'archive' ? ['1', '2 \\Seen', '3 \\Seen'] : [])
    assert.match(said, { client: /deleted: 2$/, delete: /deleted: 3$/, keep: /hidden: 2$/, trash: /moved: 3$/, archive: /moved: 3$/ }[policy])
    await client.closed()
  })

  test(`policy ${policy}: nothing happens without QUIT, nor for what was not sent whole`, async () => {
    const before = await state(user)
    const big = `Subject: big\r\n\r\n${'x'.repeat(76)}\r\n`.repeat(100_000)
    await house.append(user, [big])
    const all = await state(user)
    const client = await Client.login(house, listener, user)
    const { length } = await client.list('LIST')
    await client.message('RETR 1')
    await client.ok('DELE 2')
    client.say(`RETR ${length}\r\n`)
    await client.line()
    client.drop()
    const next = await Client.loginWhenFree(house, listener, user)
    assert.equal((await next.list('LIST')).length, length)
    next.drop()
    // Broken off on the server's side: what cannot be read to the end ends the connection, and the QUIT behind it with it.
    const broken = await Client.loginWhenFree(house, breaking, user)
    broken.say(`RETR 1\r\nDELE 1\r\nRETR ${length}\r\nQUIT\r\n`)
    for (let line = await broken.line(); line !== undefined; line = await broken.line()) assert.ok(!line.startsWith('+OK Goodbye'))
    await quit(await Client.loginWhenFree(house, listener, user))
    assert.deepEqual(await state(user), all)
    assert.equal(all.length, before.length + 1)
  })

  test(`policy ${policy}: IMAP beside it, and a lease that was taken over`, async () => {
    await house.store.expunge(await folder(user), { deletedOnly: false })
    await house.append(user, messages(4))
    const first = await Client.login(house, listener, user)
    const uids = (await state(user)).map(Number)
    const inbox = await folder(user)
    await house.store.expunge(inbox, { uids: [uids[0]!, uids[0]!], deletedOnly: false })
    await house.store.move(inbox, [uids[1]!, uids[1]!], await folder(user, 'Junk'))
    await house.store.flags(inbox, [uids[2]!, uids[2]!], { mode: 'add', names: ['\\Flagged'] })
    for (const n of [1, 2, 3]) await first.ok(`DELE ${n}`)
    const held = await house.heldLease(inbox.by)
    await house.leases.release(held)
    const second = await Client.login(house, listener, user)
    assert.match(await first.command('QUIT'), /^-ERR \[SYS\/TEMP\] Another session has taken the maildrop over, nothing was changed$/)
    await first.closed()
    assert.deepEqual(await state(user), [`${uids[2]} \\Flagged`, `${uids[3]}`])
    // The other one is not harmed by that.
    await second.ok('DELE 1')
    await quit(second)
    assert.deepEqual(await state(user), [...(policy === 'keep' ? [`${uids[2]} \\Flagged $POP3Deleted`] : []), `${uids[3]}`])
    assert.equal((await state(user, 'Junk')).length, 1)
    await house.store.expunge(await folder(user, 'Junk'), { deletedOnly: false })
  })
}

test('a maildrop that is not there, or not one’s own: said so, none is made, and the session goes on', async () => {
  for (const user of ['none', 'shared']) {
    const client = await Client.connect(house, listener)
    for (let i = 0; i < 5; i++) {
      await client.ok(`USER ${user}@example.test`)
      await client.err(`PASS ${PASSWORD}`, /^-ERR \[SYS\/PERM\] The mailbox that POP3 is set to show does not exist$/)
    }
    const names = (await house.store.mailboxes(await house.access(user))).map(({ name }) => name)
    assert.ok(!names.some((name) => name.startsWith('Lists')))
    client.drop()
  }
  await house.store.create(await house.access('none'), 'Lists/Nowhere')
  await quit(await Client.login(house, listener, 'none'))
})

test('another mailbox as maildrop: renamed in the session it is the same, deleted it is gone', async () => {
  const anna = await house.access('anna')
  await house.store.create(anna, 'Reports')
  await put('anna', 'Reports', messages(3))
  await house.append('anna', messages(1))
  const client = await Client.login(house, listener, 'anna')
  const ids = await client.list('UIDL')
  assert.equal(ids.length, 3)
  await house.store.rename(anna, 'Reports', 'Old/Reports')
  await client.message('RETR 2')
  await client.ok('DELE 1')
  await quit(client)
  assert.deepEqual(await state('anna', 'Old/Reports'), ['2', '3'])
  await house.store.rename(anna, 'Old/Reports', 'Reports')
  const next = await Client.login(house, listener, 'anna')
  assert.deepEqual(
    (await next.list('UIDL')).map((line) => line.slice(2)),
    ids.slice(1).map((line) => line.slice(2)),
  )
  await next.ok('DELE 1')
  await house.store.remove(anna, 'Reports')
  assert.match(await next.command('QUIT'), /^-ERR \[SYS\/TEMP\] The mailbox was deleted$/)
  await next.closed()
  assert.equal(await house.count('anna'), 1)
})

test('two app passwords with two maildrops are open at once; two with the same one are not', async () => {
  const passwords = { home: generateAppPassword(), office: generateAppPassword(), phone: generateAppPassword() }
  const app = (name: keyof typeof passwords, pop3: object) => ({
    name,
    hash: hashAppPassword(passwords[name]),
    scopes: ['pop3'] as const,
    disable: [],
    pop3,
  })
  const address = 'apps@example.test'
  await house.accounts.reconcile({
    domains: ['example.test'],
    accounts: [
      ...Object.entries(USERS).map(([user, pop3]) => ({ address: `${user}@example.test`, aliases: [], passwordHash: '', pop3 })),
      {
        ...{ address, aliases: [], passwordHash: await hashPassword(PASSWORD), pop3: { folder: 'Junk' } },
        appPasswords: [
          app('home', { folder: 'Sent', afterDownload: 'delete' }),
          app('office', { folder: 'Drafts' }),
          app('phone', { folder: 'Sent' }),
        ],
      },
    ],
  })
  const enter = async (password: string): Promise<[Client, string]> => {
    const client = await Client.connect(house, listener)
    await client.ok(`USER ${address}`)
    return [client, await client.command(`PASS ${password}`)]
  }
  await put('apps', 'Sent', messages(2))
  await put('apps', 'Drafts', messages(1))
  const [home, office] = [await enter(passwords.home), await enter(passwords.office)]
  assert.match(home[1], /^\+OK .* 2 messages/)
  assert.match(office[1], /^\+OK .* 1 messages/)
  const phone = await enter(passwords.phone)
  assert.match(phone[1], /^-ERR \[IN-USE\] /)
  await home[0].message('RETR 1')
  await office[0].message('RETR 1')
  await quit(home[0])
  await quit(office[0])
  assert.deepEqual([await state('apps', 'Sent'), await state('apps', 'Drafts')], [['2'], ['1']])
  await house.changePassword(PASSWORD)
})

test('a login waits for the session before it, and sees what that one left; one whose client goes away takes nothing', async () => {
  await house.append('waits', messages(2))
  const first = await Client.login(house, listener, 'waits')
  const [gone, second] = [await Client.connect(house, listener), await Client.connect(house, listener)]
  for (const client of [gone, second]) await client.ok('USER waits@example.test')
  await first.ok('DELE 1')
  const leaving = gone.command(`PASS ${PASSWORD}`).catch(() => undefined)
  const entering = second.command(`PASS ${PASSWORD}`)
  await sleep(300)
  gone.drop()
  await leaving
  await quit(first)
  assert.match(await entering, /^\+OK .* 1 messages/)
  await quit(second)
  await quit(await Client.login(house, listener, 'waits'))
})

test('max_listed: the newest, in STAT, LIST and UIDL alike; what is not listed is not touched and comes up as others go', async () => {
  await house.append('newest', messages(5))
  const client = await Client.login(house, listener, 'newest')
  assert.equal(await client.ok('STAT'), `3 ${3 * 'Subject: 1\r\n\r\nbody\r\n'.length}`)
  assert.deepEqual(
    (await client.list('LIST')).map((line) => line.split(' ')[0]),
    ['1', '2', '3'],
  )
  const ids = await client.list('UIDL')
  assert.equal(ids.length, 3)
  assert.match(String(await client.message('RETR 1')), /Subject: 3/)
  for (const line of ['RETR 4', 'DELE 4', 'TOP 5 0', 'LIST 4', 'UIDL 4', 'RETR 0']) await client.err(line)
  await house.append('newest', messages(1, 6))
  await client.ok('DELE 2')
  await quit(client)
  assert.deepEqual(await state('newest'), ['1', '2', '3', '4 $POP3Deleted', '5', '6'])
  const next = await Client.login(house, listener, 'newest')
  assert.deepEqual(
    (await next.list('UIDL')).slice(0, 2).map((line) => line.slice(2)),
    [ids[0], ids[2]].map((line) => line!.slice(2)),
  )
  assert.match(String(await next.message('RETR 3')), /Subject: 6/)
  for (const n of [1, 2, 3]) await next.ok(`DELE ${n}`)
  await quit(next)
  const last = await Client.login(house, listener, 'newest')
  assert.match(String(await last.message('RETR 1')), /Subject: 1/)
  assert.equal((await last.list('LIST')).length, 2)
  await quit(last)
})

test('the Trash and the Archive as maildrops of the policies that move there', async () => {
  for (const [user, name] of [
    ['bin', 'Trash'],
    ['attic', 'Archive'],
  ] as const) {
    await put(user, name, messages(2))
    const client = await Client.login(house, listener, user)
    assert.ok((await client.list('CAPA')).includes('EXPIRE 0'))
    await client.message('RETR 2')
    await quit(client)
    assert.deepEqual(await state(user, name), user === 'bin' ? ['1'] : ['1', '2 $POP3Deleted'])
    const next = await Client.login(house, listener, user)
    assert.equal((await next.list('LIST')).length, 1)
    await quit(next)
  }
})

test('unique-ids: moved and back, beside a copy, after more came; each once, printable, at most 70 characters', async () => {
  const inbox = await folder('ids')
  const aside = await folder('ids', 'Archive')
  const uidl = async (): Promise<string[]> => {
    const client = await Client.login(house, listener, 'ids')
    const lines = await client.list('UIDL')
    for (const line of lines) assert.equal(await client.ok(`UIDL ${line.split(' ')[0]}`), line)
    await quit(client)
    const ids = lines.map((line) => line.split(' ')[1]!)
    assert.equal(new Set(ids).size, ids.length)
    for (const id of ids) assert.match(id, /^[!-~]{1,70}$/)
    return ids
  }
  await house.append('ids', messages(3))
  const [a, b, c] = await uidl()
  await house.store.move(inbox, [2, 2], aside)
  await house.store.copy(aside, [1, 1], inbox)
  assert.deepEqual((await uidl()).slice(0, 2), [a, c])
  await house.store.move(aside, [1, 1], inbox)
  const now = await uidl()
  assert.deepEqual([now[0], now[1], now[3]], [a, c, b])
  assert.equal(now.length, 4)
})

test('a database that is away at QUIT: said so; the maildrop is free as soon as it is back', async () => {
  await house.append('away', messages(2))
  let isAway = false
  const down = () => Promise.reject(new Unavailable('away'))
  const away = new Proxy(house.store, {
    get: (target, verb) => (isAway && verb === 'settleMaildrop' ? down : Reflect.get(target, verb)),
  })
  const leases = { ...house.leases, release: (lease: Parameters<typeof house.leases.release>[0]) => (isAway ? down() : house.leases.release(lease)) }
  const elsewhere = await house.serve({ store: away, leases })
  const client = await Client.login(house, elsewhere, 'away')
  await client.ok('DELE 1')
  isAway = true
  assert.match(await client.command('QUIT'), /^-ERR \[SYS\/TEMP\] /)
  await client.closed()
  isAway = false
  await quit(await Client.loginWhenFree(house, listener, 'away'))
  assert.deepEqual(await state('away'), ['1', '2'])
})
