/**
 * What an idle session costs, and how soon it hears of a change. Sizes can be changed by IDLE_SESSIONS, IDLE_ACCOUNTS, IDLE_MESSAGES, IDLE_SETTLE_SECONDS.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCrowds } from './crowds.ts'
import { memoryOf } from './memory.ts'
import { type Latencies, measureNotices } from './notices.ts'
import { makeSite, type Site } from './site.ts'

const size = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)
const SESSIONS = size('IDLE_SESSIONS', 5_000)
const ACCOUNTS = size('IDLE_ACCOUNTS', 50)
const MESSAGES = size('IDLE_MESSAGES', 10_000)
const SETTLED = size('IDLE_SETTLE_SECONDS', 60) * 1000
/** KiB a session. */
const GOAL = 64
const LISTENING = Math.min(SESSIONS, 2_000)

let site: Site
before(async () => {
  site = await makeSite({ accounts: ACCOUNTS, messages: MESSAGES })
})
after(() => rmSync(site.dir, { recursive: true, force: true }))

test(`memory of ${SESSIONS} sessions in IDLE`, async (t) => {
  await using server = await site.start()
  await sleep(SETTLED / 4)
  const empty = memoryOf(server.child.pid!)
  const from = performance.now()
  await using crowds = await openCrowds({ port: server.port('imaps'), ca: server.ca, users: site.users, sessions: SESSIONS })
  t.diagnostic(`${SESSIONS} sessions opened in ${((performance.now() - from) / 1000).toFixed(1)} s`)
  await sleep(SETTLED)
  const full = memoryOf(server.child.pid!)
  const each = (full.pss - empty.pss) / SESSIONS
  t.diagnostic(`PSS ${empty.pss} KiB without sessions, ${full.pss} KiB with ${SESSIONS}: ${each.toFixed(1)} KiB each`)
  t.diagnostic(
    `anonymous memory ${empty.anonymous} KiB, ${full.anonymous} KiB: ${((full.anonymous - empty.anonymous) / SESSIONS).toFixed(1)} KiB each`,
  )
  assert.equal((await crowds.collect()).length, 0)
  assert.ok(each < GOAL)
})

test(`news for ${LISTENING} sessions in IDLE`, async (t) => {
  await using server = await site.start()
  const port = server.port('imaps')
  await using crowds = await openCrowds({ port, ca: server.ca, users: site.users, sessions: LISTENING })
  const where = { server, crowds, users: site.users, watching: LISTENING / ACCOUNTS }
  const quiet = await measureNotices({ ...where, firstUid: 1 }, { changes: 100, perSecond: 5 })
  t.diagnostic(`5 changes a second: ${words(quiet)}`)
  const busy = await measureNotices({ ...where, firstUid: 1 + 100 }, { changes: 1_000, perSecond: 50 })
  t.diagnostic(`50 changes a second: ${words(busy)}`)
  assert.ok(quiet.answered.p99 < 50)
  assert.ok(busy.answered.p99 < 50)
})

const words = ({ changes, notices, sent, answered }: Latencies): string => {
  const of = ({ p50, p99, max }: Latencies['sent']): string => `p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} worst ${max.toFixed(1)} ms`
  return `${changes} changes, ${notices} notices: from the OK ${of(answered)}; from the command ${of(sent)}`
}
