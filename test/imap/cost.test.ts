/**
 * What clients ask most often costs what changed, not what there is: rows that Postgres hands out while sessions use a mailbox of 100,000 messages. Once in the process
 * that also makes the changes, once in another that must read them. Rows, not milliseconds: they are the same on every machine.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { silentLog } from '../../src/log.ts'
import { foldMailbox } from '../../src/store/pg/fold.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { type RowsRead, rowsRead } from '../support/rows-read.ts'
import { WireClient } from '../support/wire-client.ts'

const MESSAGES = 100_000
/** What opening, permission and counters of one mailbox take. */
const FEW = 5
/** A row for a change has a few UIDs; none has a list of all. */
const ROW_OCTETS = 250

let house: ImapHouse
/** Makes the changes. */
let writing: WireClient
before(async () => {
  house = await imapHouse(['ann'])
  await house.append('ann', 'INBOX', [{ text: 'Subject: x\r\n\r\n' }])
  const inbox = await house.store.open(await house.access('ann'), 'INBOX', true)
  for (let n = 1; n < MESSAGES; n *= 2) await house.store.copy(inbox, [1, Math.min(n, MESSAGES - n)], inbox)
  // Rows of messages as well as a log: who reads either is seen.
  const pool = new Pool({ connect: house.connect, max: 1, log: silentLog() })
  while ((await foldMailbox(pool, inbox)) > 0);
  await pool.close()
  writing = await login(await house.serve())
  await writing.command('w', 'SELECT INBOX')
})
after(() => house.close())

async function login(server: ImapServer): Promise<WireClient> {
  const client = await WireClient.connect(server.port)
  await client.line()
  await client.command('in', `LOGIN ann@example.test "${PASSWORD}"`)
  await client.command('en', 'ENABLE QRESYNC')
  return client
}

async function ok(client: WireClient, command: string): Promise<string[]> {
  const lines = await client.command('t', command)
  assert.match(lines.at(-1)!, /^t OK /, command)
  return lines
}

/** At most so many rows, and few octets in them. */
async function costs(most: number, work: () => Promise<unknown>): Promise<RowsRead> {
  const read = await rowsRead(work)
  const words = [...read.by].map(([name, { rows, octets }]) => `${name}: ${rows} rows, ${octets} octets`).join('; ')
  assert.ok(read.rows <= most, `${read.rows} rows where ${most} may be: ${words}`)
  assert.ok(read.octets <= most * ROW_OCTETS, `${read.octets} octets: ${words}`)
  return read
}

/** Flags of 8 messages, 3 gone, 3 new: by ten commands, and one more to have something to expunge each time. */
let flagged = 50_000
let expunged = 100
const FLAGGED = 8
const NEW = 3
async function tenChanges(): Promise<void> {
  for (let i = 0; i < 4; i++) await ok(writing, `UID STORE ${(flagged += 10)}:${flagged + 1} +FLAGS (\\Flagged)`)
  for (let i = 0; i < 3; i++) {
    await ok(writing, `UID STORE ${expunged} +FLAGS.SILENT (\\Deleted)`)
    await ok(writing, `UID EXPUNGE ${expunged}`)
    expunged++
  }
  for (let i = 0; i < 3; i++) await house.append('ann', 'INBOX', [{ text: `Subject: ${i}\r\n\r\n` }])
  await ok(writing, 'NOOP')
}
const CHANGES = 4 + 2 * 3 + 3

test('the counter sees every row of every connection', async () => {
  const rows = 'select repeat($1, 90) from generate_series(1, 1000)'
  const plain = new pg.Client(house.connect)
  await plain.connect()
  const own = await rowsRead(() => plain.query(rows, ['x']))
  await plain.end()
  assert.equal(own.rows, 1000)
  const inbox = await house.store.open(await house.access('ann'), 'INBOX', false)
  const counters = await rowsRead(() => house.store.status(inbox))
  assert.ok(counters.rows === 1 && counters.octets > 50)
  const cold = await house.serve({ apart: true })
  const reader = await login(cold)
  const all = await rowsRead(() => ok(reader, 'SELECT INBOX'))
  assert.ok(all.octets > MESSAGES, 'a cold mailbox is read')
  reader.destroy()
})

for (const apart of [false, true])
  describe(apart ? 'in a process that hears of nothing' : 'in the process that writes', () => {
    let server: ImapServer
    let client: WireClient
    let modseq = 0
    let uidvalidity = 0
    /** Asks up to where the client would remember it. */
    const remember = async (): Promise<void> => {
      const [line] = await ok(writing, 'STATUS INBOX (HIGHESTMODSEQ UIDVALIDITY)')
      modseq = Number(/HIGHESTMODSEQ (\d+)/.exec(line!)![1])
      uidvalidity = Number(/UIDVALIDITY (\d+)/.exec(line!)![1])
    }
    before(async () => {
      server = await house.serve({ apart })
      client = await login(server)
      await ok(client, 'SELECT INBOX')
      await ok(client, 'UNSELECT')
    })
    after(() => client.destroy())

    test('SELECT, and EXAMINE by a second session', async () => {
      await costs(FEW, () => ok(client, 'SELECT INBOX'))
      const second = await login(server)
      await costs(FEW, () => ok(second, 'EXAMINE INBOX'))
      await costs(FEW, () => ok(second, 'SELECT INBOX'))
      second.destroy()
    })

    test('SELECT (QRESYNC …) after ten changes', async () => {
      await ok(client, 'UNSELECT')
      await remember()
      await tenChanges()
      let lines: string[] = []
      await costs(FEW + 2 * CHANGES, async () => {
        lines = await ok(client, `SELECT INBOX (QRESYNC (${uidvalidity} ${modseq}))`)
      })
      assert.equal(lines.filter((line) => /^\* \d+ FETCH /.test(line)).length, FLAGGED + NEW)
      assert.deepEqual(
        lines.filter((line) => /VANISHED/.test(line)),
        [`* VANISHED (EARLIER) ${expunged - 3}:${expunged - 1}`],
      )
    })

    test('the same with what the client has of it, and its sequence numbers', async () => {
      await ok(client, 'UNSELECT')
      await costs(FEW + 2 * CHANGES, () => ok(client, `SELECT INBOX (QRESYNC (${uidvalidity} ${modseq} 1:90000 (1,90,50000 1,90,50000)))`))
    })

    test('STATUS with every item, of the selected mailbox and of one that is not', async () => {
      const items = '(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT HIGHESTMODSEQ SIZE DELETED DELETED-STORAGE MAILBOXID APPENDLIMIT)'
      await costs(FEW, () => ok(client, `STATUS INBOX ${items}`))
      await ok(client, 'UNSELECT')
      await costs(FEW, () => ok(client, `STATUS INBOX ${items}`))
    })

    test('LIST RETURN (STATUS …)', async () => {
      const mailboxes = (await ok(client, 'LIST "" *')).length - 1
      const items = '(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT HIGHESTMODSEQ SIZE DELETED)'
      await costs(FEW + 3 * mailboxes, () => ok(client, `LIST "" * RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS ${items})`))
    })

    test('NOOP with nothing new, and with ten changes', async () => {
      await ok(client, 'SELECT INBOX')
      await costs(FEW, () => ok(client, 'NOOP'))
      await tenChanges()
      let lines: string[] = []
      await costs(FEW + CHANGES, async () => {
        lines = await ok(client, 'NOOP')
      })
      assert.ok(lines.filter((line) => /^\* \d+ FETCH /.test(line)).length === FLAGGED && lines.some((line) => /VANISHED/.test(line)))
    })

    test('UID FETCH n:* (FLAGS) (CHANGEDSINCE m), and VANISHED beside', async () => {
      await remember()
      await tenChanges()
      await ok(client, 'NOOP')
      const changed = await ok(client, `UID FETCH 500:* (FLAGS) (CHANGEDSINCE ${modseq})`)
      assert.equal(changed.filter((line) => /^\* \d+ FETCH /.test(line)).length, FLAGGED + NEW)
      await costs(FEW, () => ok(client, `UID FETCH 500:* (FLAGS) (CHANGEDSINCE ${modseq})`))
      await costs(FEW + 3, () => ok(client, `UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${modseq} VANISHED)`))
    })

    test('a delivery wakes IDLE', async () => {
      await ok(client, 'NOOP')
      client.send('i IDLE\r\n')
      assert.equal(await client.line(), '+ idling')
      await costs(2 * FEW, async () => {
        await house.append('ann', 'INBOX', [{ text: 'Subject: new\r\n\r\n' }])
        // A process that hears of nothing looks by the clock, or when it is asked.
        if (apart) client.send('DONE\r\n')
        for (;;) if (/EXISTS/.test((await client.line())!)) break
      })
      if (!apart) client.send('DONE\r\n')
      await client.until('i')
    })
  })
