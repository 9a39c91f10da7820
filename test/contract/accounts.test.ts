/** Accounts on Postgres: what the config file says, and nothing deleted. */

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import type { Accounts, WantedAccount, WantedState } from '../../src/store/accounts.ts'
import { OlderConfig, Refusal } from '../../src/store/errors.ts'
import { createMemoryBus } from '../../src/store/memory/bus.ts'
import { createAccounts, type PgAccounts } from '../../src/store/pg/accounts.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { DEFAULT_POP3 } from '../../src/store/pop3-policy.ts'
import { DEFAULT_SUBMISSION } from '../../src/store/submission-policy.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

const account = (address: string, more: Partial<WantedAccount> = {}): WantedAccount => ({
  address,
  aliases: [],
  passwordHash: `hash of ${address}`,
  ...more,
})
const state = (accounts: readonly WantedAccount[], domains: readonly string[] = ['x.test']): WantedState => ({ domains, accounts })

const EMPTY = `truncate account, address, domain, mailbox, mailbox_fold, subscription restart identity; update server set config_hash = null, config_generation = 0, config_number = 0, config_time = 0, config_origin = ''`

describe('accounts', () => {
  let db: TestDatabase
  let pool: Pool
  let accounts: Accounts
  let kicked: string[]

  before(async () => {
    db = await testDatabase()
    pool = new Pool({ connect: db.connect, max: 8, log: silentLog() })
  })
  after(async () => {
    await pool?.close()
    await db?.close()
  })
  beforeEach(async () => {
    await pool.session((s) => s.script(EMPTY))
    kicked = []
    accounts = createAccounts(pool, createMemoryBus(silentLog()), (id, why) => kicked.push(`${id} ${why}`))
  })

  /** Rows as JSON, in the order that the query gives. */
  async function query(sql: string): Promise<unknown[]> {
    const rows: unknown[] = []
    await pool.rows({ name: '', text: `select to_jsonb(q)::text from (${sql}) q` }, [], (row) => rows.push(JSON.parse(row.text())))
    return rows
  }
  const idOf = async (address: string) => (await accounts.login(address))!.account

  test('an address leads to its account, that of its tag, its list, or what is left over; the closest counts', async () => {
    const inbound = { forward: { to: ['Ann@else.test'], keep: false }, block: ['bad.test'] }
    const list = { address: 'team@x.test', owner: 'ann@x.test', members: ['ben@x.test', 'off@x.test'], onward: ['Friend@else.test'] }
    const all = [account('ann@x.test', { aliases: ['info@x.test', 'a+b@x.test'], inbound }), account('ben@x.test'), account('off@x.test')]
    const wanted = { ...state(all), lists: [list], catchAll: { 'x.test': 'ben@x.test' } }
    assert.equal(await accounts.reconcile(wanted), true)
    assert.equal(await accounts.reconcile(wanted), false)
    const leadsTo = async (address: string) => (await accounts.recipient(address))?.address
    assert.deepEqual(await Promise.all(['info@x.test', 'info+t@x.test', 'a+b@x.test', 'a+c@x.test', 'zoe@x.test', 'x@y.test'].map(leadsTo)), [
      ...['ann@x.test', 'ann@x.test', 'ann@x.test', 'ben@x.test', 'ben@x.test', undefined],
    ])
    assert.deepEqual((await accounts.recipient('ann@x.test'))?.inbound, inbound)
    assert.equal((await accounts.recipient('ben@x.test'))?.inbound, undefined)
    // The owner speaks for a list, and is no member of it.
    const team = (await accounts.recipient('team+t@x.test'))!
    assert.deepEqual(
      [team.address, team.list?.address, team.list?.members.map((m) => m.address), team.list?.onward],
      [...['ann@x.test', 'team@x.test', ['ben@x.test', 'off@x.test'], ['Friend@else.test']]],
    )
    // Changes of each count; who is gone is no member any more.
    assert.equal(
      await accounts.reconcile({ ...wanted, accounts: all.slice(0, 2), lists: [{ ...list, members: ['ben@x.test'] }], catchAll: {} }),
      true,
    )
    assert.deepEqual(
      (await accounts.recipient('team@x.test'))?.list?.members.map((m) => m.address),
      ['ben@x.test'],
    )
    assert.equal(await leadsTo('zoe@x.test'), undefined)
    assert.equal(await accounts.reconcile(state([account('ann@x.test'), account('ben@x.test')])), true)
    assert.equal(await leadsTo('team@x.test'), undefined)
    assert.equal((await accounts.recipient('ann@x.test'))?.inbound, undefined)
    for (const lists of [[{ ...list, address: 'ben@x.test' }], [list, list]])
      await assert.rejects(accounts.reconcile({ ...state(all), lists }), Refusal)
    assert.deepEqual([...(await accounts.forwardingKey())], [...(await createAccounts(pool, createMemoryBus(silentLog())).forwardingKey())])
  })

  test('the longest LOGIN-DELAY is that of any account or app password, but not of those that are disabled', async () => {
    const app = (name: string, loginDelay?: number) => ({
      ...{ name, hash: name, scopes: ['pop3' as const], disable: [] },
      pop3: loginDelay === undefined ? { afterDownload: 'delete' as const } : { loginDelay },
    })
    const ann = (more: Partial<WantedAccount> = {}) => account('ann@x.test', more)
    assert.equal(await accounts.longestLoginDelay(), 0)
    await accounts.reconcile(state([ann(), account('ben@x.test', { appPasswords: [app('a')] })]))
    assert.equal(await accounts.longestLoginDelay(), 0)
    await accounts.reconcile(state([ann({ pop3: { loginDelay: 60 } }), account('ben@x.test', { appPasswords: [app('a'), app('b', 300)] })]))
    assert.equal(await accounts.longestLoginDelay(), 300)
    await accounts.reconcile(state([ann({ pop3: { loginDelay: 60 } })]))
    assert.equal(await accounts.longestLoginDelay(), 60)
  })

  test('a new account can log in, gets mail, and has its mailboxes', async () => {
    assert.equal(
      await accounts.reconcile(state([account('ann@x.test', { quota: 5_000_000_000, pop3: { afterDownload: 'keep' }, displayName: 'Ann' })])),
      true,
    )
    const login = await accounts.login('ann@x.test')
    assert.deepEqual(
      { ...login, account: 0 },
      {
        account: 0,
        address: 'ann@x.test',
        passwordHash: 'hash of ann@x.test',
        version: 1,
        enabled: true,
        pop3: { ...DEFAULT_POP3, afterDownload: 'keep' },
        submission: DEFAULT_SUBMISSION,
        scram: '',
        appPasswords: [],
        disable: [],
        importedUidls: false,
      },
    )
    const access = accounts.grant(login!)
    assert.deepEqual([access.account, access.actor], [login?.account, 'ann@x.test'])
    const recipient = await accounts.recipient('ann@x.test')
    assert.deepEqual([recipient?.access.account, recipient?.inbox, recipient?.used, recipient?.quota], [login?.account, 1, 0, 5_000_000_000])
    assert.equal(recipient?.access.actor, 'delivery')
    const boxes = (await query('select id, name, special_use, uidvalidity, uidnext, modseq, log_floor from mailbox order by id')) as {
      name: string
      special_use: string | null
      uidvalidity: number
    }[]
    assert.deepEqual(
      boxes.map((b) => [b.name, b.special_use]),
      [
        ['INBOX', null],
        ['Sent', '\\Sent'],
        ['Drafts', '\\Drafts'],
        ['Trash', '\\Trash'],
        ['Junk', '\\Junk'],
        ['Archive', '\\Archive'],
      ],
    )
    const validities = boxes.map((b) => b.uidvalidity)
    assert.equal(new Set(validities).size, 6)
    assert.deepEqual(await query('select next_mailbox, next_uidvalidity > (select max(uidvalidity) from mailbox) as free from account'), [
      { next_mailbox: 7, free: true },
    ])
    assert.deepEqual(await query('select count(*) from mailbox_fold where folded_modseq = 1'), [{ count: 6 }])
    assert.deepEqual(await query('select count(*) from subscription s join mailbox using (account_id, name)'), [{ count: 6 }])
  })

  test('the same state is applied once, whatever the order of aliases and domains', async () => {
    const one = account('ann@x.test', { aliases: ['a@x.test', 'b@x.test'] })
    const other = account('ann@x.test', { aliases: ['b@x.test', 'a@x.test'] })
    assert.equal(await accounts.reconcile(state([one], ['x.test', 'y.test'])), true)
    assert.equal(await accounts.reconcile(state([other], ['y.test', 'x.test'])), false)
    assert.equal(await accounts.reconcile(state([other], ['y.test'])), true)
    assert.deepEqual(await query('select config_generation from server'), [{ config_generation: 2 }])
  })

  test('many processes at once make one account', async () => {
    const wanted = state([account('ann@x.test'), account('bob@x.test')])
    const all = await Promise.all(Array.from({ length: 8 }, () => accounts.reconcile(wanted)))
    assert.equal(all.filter(Boolean).length, 1)
    assert.deepEqual(await query('select count(*) from mailbox'), [{ count: 12 }])
  })

  test('a new password raises the version, is told, and ends the sessions', async () => {
    const bus = createMemoryBus(silentLog())
    accounts = createAccounts(pool, bus, (id, why) => kicked.push(`${id} ${why}`))
    await accounts.reconcile(state([account('ann@x.test'), account('bob@x.test')]))
    const id = await idOf('ann@x.test')
    const heard: number[] = []
    bus.watch({ account: id, of: 'login' }, (at) => heard.push(at))
    await accounts.reconcile(state([account('ann@x.test', { passwordHash: 'new' }), account('bob@x.test')]))
    assert.deepEqual([(await accounts.login('ann@x.test'))?.version, (await accounts.login('ann@x.test'))?.passwordHash], [2, 'new'])
    assert.equal((await accounts.login('bob@x.test'))?.version, 1)
    assert.deepEqual(kicked, [`${id} password changed`])
    await new Promise((done) => setTimeout(done, 10))
    assert.deepEqual(heard, [2])
  })

  test('all that POP3 is told comes back, until a version that knows only words writes one', async () => {
    const pop3 = { afterDownload: 'trash', folder: 'Reports/Daily', seenOnRetr: true, maxListed: 5, loginDelay: 60 } as const
    await accounts.reconcile(state([account('ann@x.test', { pop3 })]))
    assert.deepEqual((await accounts.login('ann@x.test'))?.pop3, { ...DEFAULT_POP3, ...pop3, keepDays: undefined })
    const older = { name: 't_older', text: "update account set pop3_policy = 'delete' where pop3_policy = 'keep' returning 1" }
    assert.equal(await pool.rows(older, []), 1)
    assert.equal((await accounts.login('ann@x.test'))?.pop3.afterDownload, 'delete')
  })

  test('what is no password does not end sessions', async () => {
    await accounts.reconcile(state([account('ann@x.test')]))
    await accounts.reconcile(
      state([account('ann@x.test', { quota: 10, pop3: { afterDownload: 'delete' }, displayName: 'Ann', aliases: ['a@x.test'] })]),
    )
    const login = await accounts.login('ann@x.test')
    assert.deepEqual([login?.version, login?.pop3.afterDownload], [1, 'delete'])
    assert.equal((await accounts.recipient('a@x.test'))?.quota, 10)
    assert.deepEqual(kicked, [])
    await accounts.reconcile(state([account('ann@x.test')]))
    assert.equal((await accounts.recipient('ann@x.test'))?.quota, undefined)
  })

  test('a password that the user changed stays until the file says another one', async () => {
    await accounts.reconcile(state([account('ann@x.test')]))
    await pool.session((s) => s.script(`update account set password_hash = 'own', version = version + 1`))
    await accounts.reconcile(state([account('ann@x.test', { quota: 1 })]))
    assert.equal((await accounts.login('ann@x.test'))?.passwordHash, 'own')
    await accounts.reconcile(state([account('ann@x.test', { quota: 1, passwordHash: 'from the file' })]))
    assert.equal((await accounts.login('ann@x.test'))?.passwordHash, 'from the file')
    assert.equal((await accounts.login('ann@x.test'))?.version, 3)
  })

  test('an account that the file no longer has is disabled, keeps everything, and comes back', async () => {
    await accounts.reconcile(state([account('ann@x.test', { aliases: ['a@x.test'] }), account('bob@x.test')]))
    const id = await idOf('ann@x.test')
    await accounts.reconcile(state([account('bob@x.test')]))
    assert.deepEqual(kicked, [`${id} disabled`])
    const gone = await accounts.login('ann@x.test')
    assert.deepEqual([gone?.enabled, gone?.version], [false, 2])
    for (const address of ['ann@x.test', 'a@x.test', 'ann+tag@x.test']) assert.equal(await accounts.recipient(address), undefined)
    assert.deepEqual(await query(`select count(*) from mailbox where account_id = ${id}`), [{ count: 6 }])
    assert.deepEqual(await query('select disabled_at is not null as since from account order by address'), [{ since: true }, { since: false }])
    await accounts.reconcile(state([account('ann@x.test', { aliases: ['a@x.test'] }), account('bob@x.test')]))
    const back = await accounts.login('ann@x.test')
    // A third version: what was learned about the account while it was disabled counts no more.
    assert.deepEqual([back?.account, back?.enabled, back?.version], [id, true, 3])
    assert.equal((await accounts.recipient('a@x.test'))?.access.account, id)
    assert.deepEqual(await query(`select count(*) from mailbox where account_id = ${id}`), [{ count: 6 }])
  })

  test('app passwords and capabilities to do without: who loses one is ended, who gains one is not', async () => {
    const phone = { name: 'phone', hash: '$sha256$1', scopes: ['imap', 'smtp'], disable: ['MOVE'] } as const
    const pop = { name: 'pop', hash: '$sha256$2', scopes: ['pop3'], disable: [], pop3: { afterDownload: 'keep' } } as const
    const ann = (more: Partial<WantedAccount>) => state([account('ann@x.test', more)])
    await accounts.reconcile(ann({ appPasswords: [phone], disable: ['IDLE'] }))
    const id = await idOf('ann@x.test')
    const now = async () => {
      const { appPasswords, disable, version } = (await accounts.login('ann@x.test'))!
      return { appPasswords, disable, version }
    }
    assert.deepEqual(await now(), { appPasswords: [phone], disable: ['IDLE'], version: 1 })
    assert.equal(await accounts.reconcile(ann({ appPasswords: [phone, pop] })), true)
    assert.deepEqual(await now(), { appPasswords: [phone, pop], disable: [], version: 1 })
    assert.equal(await accounts.reconcile(ann({ appPasswords: [phone, pop] })), false)
    assert.deepEqual(kicked, [])
    await accounts.reconcile(ann({ appPasswords: [{ ...phone, scopes: ['imap'] }, pop] }))
    assert.equal((await now()).version, 2)
    await accounts.reconcile(ann({ appPasswords: [{ ...phone, scopes: ['imap', 'pop3'] }, pop] }))
    assert.equal((await now()).version, 2)
    await accounts.reconcile(ann({ appPasswords: [{ ...phone, hash: '$sha256$3' }, pop] }))
    await accounts.reconcile(ann({}))
    assert.deepEqual(await now(), { appPasswords: [], disable: [], version: 4 })
    assert.deepEqual(kicked, Array(3).fill(`${id} app password removed`))
  })

  test("a removed account's address may become somebody's alias", async () => {
    await accounts.reconcile(state([account('ann@x.test'), account('bob@x.test')]))
    await accounts.reconcile(state([account('bob@x.test', { aliases: ['ann@x.test'] })]))
    assert.equal((await accounts.recipient('ann@x.test'))?.access.account, await idOf('bob@x.test'))
    assert.equal((await accounts.login('ann@x.test'))?.enabled, false)
  })

  test('aliases and tags lead to their account, a written-out address before a tag', async () => {
    await accounts.reconcile(state([account('ann@x.test', { aliases: ['sales@x.test'] }), account('bob@x.test', { aliases: ['sales+eu@x.test'] })]))
    const [ann, bob] = [await idOf('ann@x.test'), await idOf('bob@x.test')]
    for (const [address, id] of [
      ['ann@x.test', ann],
      ['ann+tag@x.test', ann],
      ['sales@x.test', ann],
      ['sales+us@x.test', ann],
      ['sales+eu@x.test', bob],
      ['nobody@x.test', undefined],
      ['+tag@x.test', undefined],
      [`'; drop table account; --@x.test`, undefined],
    ] as const)
      assert.equal((await accounts.recipient(address))?.access.account, id, address)
    assert.equal(await accounts.login('sales@x.test'), undefined)
    assert.equal(await accounts.login('ann+tag@x.test'), undefined)
  })

  test('postmaster and abuse exist in every domain, and are the first account’s unless they are given away', async () => {
    await accounts.reconcile(state([account('ann@x.test'), account('bob@x.test', { aliases: ['abuse@y.test'] })], ['x.test', 'y.test']))
    const [ann, bob] = [await idOf('ann@x.test'), await idOf('bob@x.test')]
    for (const [address, id] of [
      ['postmaster@x.test', ann],
      ['abuse@x.test', ann],
      ['postmaster@y.test', ann],
      ['abuse@y.test', bob],
    ] as const)
      assert.equal((await accounts.recipient(address))?.access.account, id, address)
    await accounts.reconcile(state([account('bob@x.test'), account('ann@x.test')]))
    assert.equal((await accounts.recipient('postmaster@x.test'))?.access.account, bob)
    assert.equal(await accounts.recipient('postmaster@y.test'), undefined)
  })

  test('one address for two accounts is refused, and nothing changes', async () => {
    await accounts.reconcile(state([account('ann@x.test')]))
    for (const bad of [
      [account('bob@x.test', { aliases: ['s@x.test'] }), account('eve@x.test', { aliases: ['s@x.test'] })],
      [account('bob@x.test'), account('eve@x.test', { aliases: ['bob@x.test'] })],
      [account('bob@x.test'), account('bob@x.test')],
    ])
      await assert.rejects(accounts.reconcile(state(bad)), (err: unknown) => err instanceof Refusal && err.reason === 'already-exists')
    assert.ok(await accounts.recipient('ann@x.test'))
    assert.deepEqual(await query('select address from account'), [{ address: 'ann@x.test' }])
    assert.equal(await accounts.reconcile(state([account('bob@x.test', { aliases: ['s@x.test', 's@x.test', 'bob@x.test'] })])), true)
  })

  test('domains are served, or not', async () => {
    await accounts.reconcile(state([account('ann@x.test')], ['x.test', 'y.test']))
    assert.deepEqual(await Promise.all(['x.test', 'y.test', 'z.test', '', 'X.TEST'].map((d) => accounts.isLocal(d))), [
      true,
      true,
      false,
      false,
      false,
    ])
    await accounts.reconcile(state([account('ann@x.test')], ['x.test', 'z.test']))
    assert.deepEqual(await Promise.all(['x.test', 'y.test', 'z.test'].map((d) => accounts.isLocal(d))), [true, false, true])
    assert.deepEqual(await accounts.domains(), ['x.test', 'z.test'])
  })

  test('an account writes as itself, its aliases, its tags and its roles only', async () => {
    await accounts.reconcile(state([account('ann@x.test', { aliases: ['sales@x.test'] }), account('bob@x.test')]))
    const [ann, bob] = [await idOf('ann@x.test'), await idOf('bob@x.test')]
    for (const address of ['ann@x.test', 'ann+shop@x.test', 'sales@x.test', 'postmaster@x.test']) {
      assert.equal(await accounts.owns(ann, address), true, address)
      assert.equal(await accounts.owns(bob, address), false, address)
    }
    assert.equal(await accounts.owns(ann, 'ann@y.test'), false)
  })

  test('used is the sum of the mailboxes that are there', async () => {
    await accounts.reconcile(state([account('ann@x.test'), account('bob@x.test')]))
    const id = await idOf('ann@x.test')
    await pool.session((s) =>
      s.script(`update mailbox set bytes = 3000000000 where id in (1, 2); update mailbox set deleted_at = now() where id = 6`),
    )
    await pool.session((s) => s.script(`update mailbox set bytes = 5 where id = 6 and account_id = ${id}`))
    assert.equal((await accounts.recipient('ann@x.test'))?.used, 6_000_000_000)
  })

  test('a thousand accounts in one go', async () => {
    const wanted = state(Array.from({ length: 1_000 }, (_, i) => account(`user${i}@x.test`, { aliases: [`u${i}@x.test`] })))
    assert.equal(await accounts.reconcile(wanted), true)
    assert.deepEqual(await query('select count(*) from mailbox'), [{ count: 6_000 }])
    assert.ok(await accounts.recipient('u999@x.test'))
    assert.equal(await accounts.reconcile(wanted), false)
  })

  test('of two files that differ the newer one counts, and the same content is no conflict', async () => {
    const file = (origin: string, time: number, number = 0) => ({ origin, time, number })
    const [ann, bob, cat] = ['ann', 'bob', 'cat'].map((name) => state([account(`${name}@x.test`)])) as [WantedState, WantedState, WantedState]
    const enabled = async () => ((await query('select address from account where enabled')) as { address: string }[]).map(({ address }) => address[0])
    assert.equal(await accounts.reconcile(ann, file('one', 100)), true)
    // The other host's file says something else: older, or newer.
    await assert.rejects(
      accounts.reconcile(bob, file('two', 50)),
      (err: Error) => err instanceof OlderConfig && /is older than.*one.*save it again/.test(err.message),
    )
    assert.deepEqual(await enabled(), ['a'])
    assert.equal(await accounts.reconcile(ann, file('two', 50)), false)
    assert.equal(await accounts.reconcile(bob, file('two', 200)), true)
    await assert.rejects(accounts.reconcile(ann, file('one', 100)), OlderConfig)
    // A file that was applied last is edited, or put back from a copy with its old time: it still counts.
    assert.equal(await accounts.reconcile(cat, file('two', 10)), true)
    assert.equal(await accounts.reconcile(bob, file('two', 300)), true)
    // A generation decides over times, and over whose file it is.
    assert.equal(await accounts.reconcile(ann, file('one', 1, 7)), true)
    for (const older of [file('two', 900), file('two', 900, 6), file('one', 900, 6)])
      await assert.rejects(accounts.reconcile(bob, older), /generation above 7/)
    assert.deepEqual(await enabled(), ['a'])
    assert.equal(await accounts.reconcile(bob, file('two', 1, 8)), true)
    // Written at the same time: all hosts agree on one of the two, whoever comes first.
    await pool.session((s) => s.script(EMPTY))
    const outcome = async (first: [WantedState, string], second: [WantedState, string]) => {
      await pool.session((s) => s.script(EMPTY))
      for (const [wanted, origin] of [first, second, first])
        await accounts.reconcile(wanted, file(origin, 5)).catch((err: unknown) => assert.ok(err instanceof OlderConfig))
      return enabled()
    }
    assert.deepEqual(await outcome([ann, 'one'], [bob, 'two']), await outcome([bob, 'two'], [ann, 'one']))
    // Without a file: one host alone.
    assert.equal(await accounts.reconcile(cat), true)
  })

  test('what a database lost of the config is applied again', async () => {
    await accounts.reconcile(state([account('ann@x.test')]), { origin: 'one', time: 5, number: 0 })
    await pool.session((s) => s.script(EMPTY))
    await (accounts as PgAccounts).again()
    assert.ok(await accounts.login('ann@x.test'))
  })
})
