/** A process that stands still with a maildrop open, for longer than its lease: another takes the maildrop, and the late QUIT deletes nothing. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { LEASE_SECONDS } from '../../src/store/lease.ts'
import { testDatabase } from '../support/postgres.ts'
import { configFor, type HouseHost, startHost } from './house.ts'
import { ImapClient } from './imap-client.ts'
import { address, PASSWORD } from './load/load.ts'
import { openPop3, type Pop3Session, sendOne } from './probes.ts'

const MESSAGES = 3

/** `waits`: the lease runs out by itself; otherwise the database is told that it has. `gone`: the other session has ended when the paused one goes on. */
export async function pausedReader(t: TestContext, o: { waits: boolean; gone: boolean }): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const database = await testDatabase()
  stack.defer(() => database.close())
  const config = await configFor(['anna'], ['workers: 1'])
  const start = async (name: string): Promise<HouseHost> => {
    const host = await startHost(name, { config, env: { DATABASE_URL: database.url } })
    stack.defer(() => host.close())
    return host
  }
  const [a, b] = [await start('a'), await start('b')]
  for (let i = 0; i < MESSAGES; i++) assert.match(await sendOne(b, 'anna'), /^250 /)

  const paused = await openPop3(a, 'anna')
  stack.defer(() => paused.close())
  assert.match(await paused.say('STAT'), new RegExp(`^\\+OK ${MESSAGES} `))
  for (let i = 1; i <= MESSAGES; i++) assert.match(await paused.say(`DELE ${i}`), /^\+OK/)
  const began = performance.now()
  const go = a.hold()
  stack.defer(go)
  // It lies in the socket, and is the first thing that is read afterwards.
  const late = paused.say('QUIT', 2 * LEASE_SECONDS * 1_000)
  // It is awaited below; until then a rejection is not unhandled.
  late.catch(() => {})
  if (!o.waits) await expireLeases(database.connect)
  const taker = await takeMaildrop(b)
  stack.defer(() => taker.close())
  const takenAfter = (performance.now() - began) / 1_000
  if (o.waits) assert.ok(takenAfter > LEASE_SECONDS - 35, `the lease was taken after ${takenAfter} s`)
  assert.match(await taker.say('STAT'), new RegExp(`^\\+OK ${MESSAGES} `))
  if (o.gone) assert.match(await taker.say('QUIT'), /^\+OK/)

  go()
  const answer = await late
  assert.match(answer, /^-ERR /)
  if (!o.gone) {
    assert.match(await taker.say('DELE 1'), /^\+OK/)
    assert.match(await taker.say('QUIT'), /^\+OK/)
  }
  assert.equal(await countInbox(b), o.gone ? MESSAGES : MESSAGES - 1)
  t.diagnostic(`taken over after ${takenAfter.toFixed(0)} s; the late QUIT: ${answer}`)
}

async function expireLeases(connect: pg.ClientConfig): Promise<void> {
  const client = new pg.Client(connect)
  await client.connect()
  assert.equal((await client.query('update lease set expires_at = clock_timestamp()')).rowCount, 1)
  await client.end()
}

/** Tries until the maildrop is free. */
async function takeMaildrop(host: HouseHost): Promise<Pop3Session> {
  for (;;) {
    const session = await openPop3(host, 'anna')
    if (session.welcome.startsWith('+OK')) return session
    session.close()
    assert.match(session.welcome, /^-ERR \[IN-USE\]/)
    await sleep(500)
  }
}

async function countInbox(host: HouseHost): Promise<number> {
  const client = await ImapClient.login(host.where('imaps'), { user: address('anna'), password: PASSWORD })
  const { untagged } = await client.must('EXAMINE INBOX')
  client.close()
  return Number(untagged.map(({ text }) => /^\* (\d+) EXISTS/.exec(text)?.[1]).find((n) => n !== undefined))
}
