/** While structures of an older program are made anew, sessions see those of this one: in each command, and from one command to the next. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { opaqueStructure } from '../../src/mail/opaque.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { STRUCTURE_VERSION } from '../../src/store/pg/stage.ts'
import { accountsToRenew, renewAccount } from '../../src/store/pg/structure-renewal.ts'
import { type ImapHouse, type ImapServer, imapHouse } from '../support/imap.ts'
import { StrictSession } from '../support/strict-session.ts'

const MESSAGES = 30
const ITEMS = ['ENVELOPE', 'BODYSTRUCTURE', 'BODY', 'BODY.PEEK[1]', 'BODY.PEEK[2.HEADER]', 'BINARY.SIZE[1]', 'BODY.PEEK[1.MIME]', 'PREVIEW']

let house: ImapHouse
let server: ImapServer
let pool: Pool
before(async () => {
  house = await imapHouse(['ann'])
  server = await house.serve()
  pool = new Pool({ connect: house.connect, max: 3, log: silentLog() })
  const text = (n: number): string =>
    `Subject: mail ${n}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-ID: <${n}>\r\n\r\nwords ${n}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in ${n}\r\n\r\n${'x'.repeat(n * 100)}\r\n--b--\r\n`
  await house.append(
    'ann',
    'INBOX',
    Array.from({ length: MESSAGES }, (_, n) => ({ text: text(n) })),
  )
})
after(async () => {
  await pool.close()
  await house.close()
})

async function makeOld(): Promise<void> {
  const { envelope, bodystructure, parts } = opaqueStructure(0, 1)
  const text = `update content set envelope = $1, bodystructure = $2, parts = $3, preview = 'old', structure_version = ${STRUCTURE_VERSION - 1}`
  await pool.rows({ name: 'test_make_old', text }, [envelope, bodystructure, parts])
  await pool.rows({ name: 'test_begin', text: 'delete from structure_state' }, [])
}

test('no session sees an old one, nor a part that does not fit what it was told', async () => {
  const sessions = await Promise.all([1, 2].map(() => StrictSession.login(server.port)))
  for (const session of sessions) await session.ask('EXAMINE INBOX')
  const all = async (session: StrictSession, item: string): Promise<unknown> => (await session.ask(`FETCH 1:* (${item})`)).map(({ values }) => values)
  const right = new Map<string, unknown>()
  for (const item of [...ITEMS, ITEMS.join(' ')]) right.set(item, await all(sessions[0]!, item))
  assert.equal((right.get('BODYSTRUCTURE') as unknown[]).length, MESSAGES)
  for (let round = 0; round < 2; round++) {
    await makeOld()
    const [account] = (await Array.fromAsync(accountsToRenew(pool))).flat()
    const renewing = renewAccount(pool, account!, { stop: new AbortController().signal, rest: round })
    await Promise.all(
      sessions.map(async (session, i) => {
        for (let n = 0; n < ITEMS.length; n++) {
          const item = n === 4 ? ITEMS.join(' ') : ITEMS[(n + 3 * i + round) % ITEMS.length]!
          assert.deepEqual(await all(session, item), right.get(item), item)
        }
      }),
    )
    await renewing
  }
  for (const session of sessions) session.destroy()
})
