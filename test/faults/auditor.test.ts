/** The auditor finds what is wrong: a short calm load, no violation; then one thing after the other is broken by hand, and each is found under its name. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { silentLog } from '../../src/log.ts'
import { foldMailbox, mailboxesToFold } from '../../src/store/pg/fold.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { type Invariant, Tally } from '../support/tally.ts'
import { configFor, type HouseHost, startHost } from './house.ts'
import { type Evidence, judge, keyIn, NeverFalls } from './judge.ts'
import { DOUBT_MS, Grants } from './load/grants.ts'
import { address } from './load/load.ts'
import { readStored } from './read-sql.ts'
import { Storm } from './storm.ts'

const USERS = ['user0', 'user1', 'user2']

describe('the auditor', () => {
  let database: TestDatabase
  let host: HouseHost
  let storm: Storm
  let evidence: Evidence
  let client: pg.Client

  before(async () => {
    database = await testDatabase()
    host = await startHost('calm', { config: await configFor(USERS, ['workers: 1']), env: { DATABASE_URL: database.url } })
    storm = new Storm({ hosts: [host], connect: database.connect, users: USERS, seed: 5, pace: 0.3 })
    await sleep(3_000)
    evidence = await storm.audit()
    await storm.end()
    await host.close()
    const pool = new Pool({ connect: database.connect, max: 1, log: silentLog() })
    for (const key of await mailboxesToFold(pool, 100)) while ((await foldMailbox(pool, key)) > 0);
    await pool.close()
    client = new pg.Client(database.connect)
    await client.connect()
    // The load went on for a moment.
    evidence = { ...evidence, stored: await readStored(database.connect), shown: [], copies: [] }
  })
  after(async () => {
    await client?.end()
    await host?.close()
    await database?.close()
  })

  /** What a judge says of the store as it is now, with these changes to the evidence. */
  async function violations(change: Partial<Evidence> = {}): Promise<Tally> {
    const tally = new Tally()
    judge({ ...evidence, stored: await readStored(database.connect), ...change }, tally)
    return tally
  }

  /** Whether the judge finds what `harm` does; `heal` undoes it. */
  async function found(name: Invariant, harm: string, heal: string): Promise<void> {
    const { rowCount } = await client.query(harm)
    assert.ok(rowCount, 'something was broken')
    const tally = await violations()
    await client.query(heal)
    assert.ok(tally.violated(name) > 0, `${name} is violated:\n${tally.table()}`)
    assert.equal((await violations()).violations, 0, 'and healed')
  }

  test('finds nothing wrong with a calm load', async (t) => {
    t.diagnostic(storm.report())
    assert.equal(storm.tally.violations, 0)
    assert.equal((await violations()).violations, 0)
    assert.ok(storm.guests.allowed > 0 && storm.guests.refused > 0, 'mailboxes of others were used, and rights were missed')
    for (const name of ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I10'] as const) assert.ok(storm.tally.checked(name) > 20, `${name} was checked`)
  })

  const ONE = '(select account_id, mailbox_id, uid from message where flags & 8 = 0 order by account_id, mailbox_id, uid limit 1)'
  test('a message that is gone', () =>
    found(
      'I1',
      `with gone as (delete from message where (account_id, mailbox_id, uid) in ${ONE} returning *) insert into expunged select gone.*, now() from gone`,
      'with back as (delete from expunged where expunged_at = (select max(expunged_at) from expunged) returning *) insert into message select account_id, mailbox_id, uid, mid, content_id, internal_date, saved_at, size, flags, modseq from back',
    ))
  test('a message that is there twice', () =>
    found(
      'I2',
      `insert into message select account_id, mailbox_id, 4000000000, mid, content_id, internal_date, saved_at, size, flags, modseq from message where (account_id, mailbox_id, uid) in ${ONE}`,
      'delete from message where uid = 4000000000',
    ))
  test('two messages that changed places', async () => {
    const { stored, ledger } = evidence
    // Clients were told of both; of one content both would be right wherever they are.
    const pairs = stored.boxes.flatMap((box) => {
      const told = [...box.rows].filter(([uid]) => ledger.told.has(keyIn({ ...box, uid })))
      const other = told.find(([, { sha }]) => sha !== told[0]![1].sha)
      return other ? [{ user: box.user, box: box.box, one: told[0]![0], two: other[0] }] : []
    })
    const { user, box, one, two } = pairs[0]!
    const its = `in (select a.account_id, m.id from mailbox m join account a using (account_id) where a.address = '${address(user)}' and m.name = '${box}')`
    const swap = `update message m set content_id = o.content_id, size = o.size from message o where (m.account_id, m.mailbox_id) ${its}
      and (o.account_id, o.mailbox_id) = (m.account_id, m.mailbox_id) and m.uid in (${one}, ${two}) and o.uid = ${one}::int8 + ${two}::int8 - m.uid`
    await found('I3', swap, swap)
  })
  test('a message newer than its mailbox', () =>
    found(
      'I4',
      `update message set modseq = modseq + 1000000 where (account_id, mailbox_id, uid) in ${ONE}`,
      'update message set modseq = modseq - 1000000 where modseq > 1000000',
    ))
  test('octets that are not counted', () => found('I5', 'update mailbox set bytes = bytes + 1', 'update mailbox set bytes = bytes - 1'))
  test('an unseen message too many', () => found('I5', 'update mailbox set unseen = unseen + 1', 'update mailbox set unseen = unseen - 1'))
  test('an octet that flipped', () =>
    found(
      'I1',
      'update content set header = set_byte(header, 0, get_byte(header, 0) # 1)',
      'update content set header = set_byte(header, 0, get_byte(header, 0) # 1)',
    ))
  // Bits 5 and 6 are the first two keywords.
  const FLIP = 'update message set flags = flags # 96'
  test('an acknowledged flag that is lost', () => found('I1', FLIP, FLIP))
  test('an expunged message that is back', async () => {
    const { rows } = await client.query('select account_id from expunged limit 1')
    assert.equal(rows.length, 1)
    await found(
      'I6',
      'insert into message select account_id, mailbox_id, uid, mid, content_id, internal_date, saved_at, size, flags, modseq from expunged',
      'delete from message m using expunged e where m.account_id = e.account_id and m.mailbox_id = e.mailbox_id and m.uid = e.uid',
    )
  })

  test('mail of one in the mailbox of another, and a copy that missed a change', async () => {
    const from = evidence.stored.boxes.find(({ rows, user }) => rows.size > 0 && user === 'user0')!
    const others = evidence.stored.boxes.map((box) => (box.user === 'bystander' && box.box === 'INBOX' ? { ...box, rows: from.rows } : box))
    assert.ok((await violations({ stored: { boxes: others, faults: [] } })).violated('I10') > 0)
    const rows = new Map([...from.rows].map(([uid, { flags }]) => [uid, flags]))
    const copy = { name: 'a copy', user: from.user, box: from.box, rows }
    assert.equal((await violations({ copies: [copy] })).violations, 0)
    rows.set([...rows.keys()][0]!, '\\Answered')
    assert.equal((await violations({ copies: [copy] })).violated('I4'), 1)
    assert.equal((await violations({ copies: [{ ...copy, rows: undefined }] })).violated('I4'), 1)
  })

  test('rights that there may have been, and must have been', () => {
    const grants = new Grants()
    assert.deepEqual([grants.may('r', 0, 5), grants.must('r', 0, 5)], [false, false])
    const given = grants.change('lr', 10)
    // Sent, and not answered: it may count.
    assert.deepEqual([grants.may('r', 5, 9), grants.may('r', 5, 11), grants.must('r', 11, 12)], [false, true, false])
    given.done(12)
    assert.deepEqual(
      [grants.may('r', 13, 14), grants.must('r', 13, 14), grants.must('r', 11, 14), grants.may('w', 13, 14)],
      [true, true, false, false],
    )
    const taken = grants.change('', 20)
    taken.done(22)
    assert.deepEqual(
      [grants.may('r', 21, 30), grants.may('r', 23, 30), grants.must('r', 15, 19), grants.must('r', 15, 20)],
      [true, false, true, false],
    )
    grants.change('w', 30).refused()
    assert.equal(grants.may('w', 31, 32), false)
    // The answer was lost: whoever carries it out may come back late, but not for ever.
    grants.change('w', 40)
    grants.change('l', 50).done(51)
    assert.deepEqual([grants.may('w', 60, 61), grants.must('l', 60, 61)], [true, false])
    const late = 40 + DOUBT_MS
    grants.change('l', late).done(late + 1)
    assert.deepEqual([grants.may('w', late + 2, late + 3), grants.must('l', late + 2, late + 3)], [false, true])
  })

  test('remote mail that nobody got, a modseq that fell, a NOOP that waited', async () => {
    evidence.ledger.relayed.sure.add('t0-remote')
    assert.equal((await violations({ relayed: new Map() })).violated('I7'), 1)
    assert.equal((await violations({ relayed: new Map([['t0-remote', 2]]) })).violated('I7'), 1)
    assert.equal((await violations({ relayed: new Map([['t0-remote', 2]]), doubtful: 1 })).violated('I7'), 0)
    evidence.ledger.relayed.sure.clear()

    const tally = new Tally()
    const never = new NeverFalls(tally)
    const row = { account_id: '1', id: 1, uidvalidity: '9', modseq: '10', uidnext: '5', log_floor: '1' }
    never.see([row])
    never.see([{ ...row, modseq: '11' }])
    assert.equal(tally.violations, 0)
    never.see([row])
    assert.equal(tally.violated('I4'), 1)

    const at = performance.now()
    const samples = (ms: number, when = at) => Array.from({ length: 500 }, () => ({ host: 'calm', at: when, ms }))
    storm.samples.splice(0, storm.samples.length, ...samples(5, at - 60_000))
    storm.judgeNoops([])
    assert.equal(storm.tally.violated('I9'), 0)
    storm.samples.push(...samples(400))
    storm.judgeNoops([{ hosts: ['calm'], from: at - 1_000, to: at + 1_000 }])
    assert.equal(storm.tally.violated('I9'), 0)
    storm.judgeNoops([])
    assert.equal(storm.tally.violated('I9'), 1)
  })
})
