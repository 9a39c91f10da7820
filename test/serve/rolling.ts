/** A server whose workers are replaced again and again while mail comes in and clients idle; what was acknowledged is counted afterwards. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testRedis } from '../support/redis.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { deliver, Gone, idle, imap } from '../support/session.ts'

export interface Rolled {
  readonly acknowledged: number
  /** Acknowledged, and not there. */
  readonly lost: readonly string[]
  /** There twice, though every attempt but one was refused in words. */
  readonly doubled: readonly string[]
  /** There twice after an attempt whose answer was lost with its connection. */
  readonly doubledInDoubt: readonly string[]
  readonly attempts: { readonly refused: number; readonly cut: number }
  /** Milliseconds from the end of an IDLE to the next one. */
  readonly away: readonly number[]
  /** Of each round, in milliseconds. */
  readonly rounds: readonly number[]
  readonly exitCode: number | null
  readonly output: string
}

const SENDERS = 3
const IDLERS = 6
const PAUSE_MS = 30
const AGAIN_MS = 100
const ROUND_MS = 90_000
const BACK_MS = 30_000

export async function roll(rounds: number): Promise<Rolled> {
  const redis = await testRedis()
  let server: TestServer | undefined
  try {
    server = await startServer({ env: { REDIS_URL: redis.url }, args: ['--workers', '2'] })
    return await load(server, rounds)
  } finally {
    await server?.close()
    await redis.close()
  }
}

async function load(server: TestServer, rounds: number): Promise<Rolled> {
  const acknowledged = new Set<string>()
  const inDoubt = new Set<string>()
  const away: number[] = []
  const attempts = { refused: 0, cut: 0 }
  let over = false
  let idling = 0

  const send = async (name: number): Promise<void> => {
    for (let n = 0; !over; n++) {
      const subject = `roll-${name}-${n}`
      while (!over && !acknowledged.has(subject)) {
        try {
          if ((await deliver(server, subject)).startsWith('250')) acknowledged.add(subject)
          else attempts.refused++
        } catch (error) {
          if (!(error instanceof Gone)) throw error
          attempts.cut++
          inDoubt.add(subject)
        }
        await sleep(acknowledged.has(subject) ? PAUSE_MS : AGAIN_MS)
      }
    }
  }
  const rest = async (): Promise<void> => {
    let since: number | undefined
    while (!over) {
      const session = await idle(server).catch(() => undefined)
      if (session) {
        if (since !== undefined) away.push(performance.now() - since)
        idling++
        while (!session.closed && !over) await session.line(500).catch(() => {})
        idling--
        since = performance.now()
        session.destroy()
      } else await sleep(AGAIN_MS)
    }
  }
  const clients = [...Array.from({ length: SENDERS }, (_, name) => send(name)), ...Array.from({ length: IDLERS }, rest)]
  const took: number[] = []
  try {
    for (let round = 0; round < rounds; round++) took.push(await replace(server))
    // Everybody gets the time to come back.
    for (const end = performance.now() + BACK_MS; idling < IDLERS && performance.now() < end; ) await sleep(50)
    await sleep(500)
  } finally {
    over = true
    await Promise.allSettled(clients)
  }

  const found = await subjects(server)
  const twice = [...found].filter(([, times]) => times > 1).map(([subject]) => subject)
  return {
    acknowledged: acknowledged.size,
    lost: [...acknowledged].filter((subject) => !found.has(subject)),
    doubled: twice.filter((subject) => !inDoubt.has(subject)),
    doubledInDoubt: twice.filter((subject) => inDoubt.has(subject)),
    attempts,
    away,
    rounds: took,
    exitCode: await server.stop(),
    output: server.output,
  }
}

/** One SIGHUP, to the moment when all workers are others. */
async function replace(server: TestServer): Promise<number> {
  const before = server.endpoints.workers!
  const began = performance.now()
  server.child.kill('SIGHUP')
  for (;;) {
    await sleep(50)
    const now = server.endpoints.workers!
    if (now.length === before.length && now.every((pid) => !before.includes(pid))) return performance.now() - began
    if (performance.now() - began > ROUND_MS) throw new Error(`the workers ${before} were not replaced, ${now} serve:\n${noteworthy(server.output)}`)
  }
}

const noteworthy = (output: string): string =>
  output
    .split('\n')
    .filter((line) => !line.includes('message accepted'))
    .slice(-40)
    .join('\n')

/** How often each subject is in INBOX. */
async function subjects(server: TestServer): Promise<Map<string, number>> {
  const session = await imap(server)
  const lines = await session.command('FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]')
  session.destroy()
  const found = new Map<string, number>()
  for (const line of lines) {
    const subject = line.match(/^Subject: (\S+)/)?.[1]
    if (subject !== undefined) found.set(subject, (found.get(subject) ?? 0) + 1)
  }
  return found
}

/** Fails unless all is well; prints what was seen. */
export function judge(t: TestContext, rolled: Rolled, rounds: number): void {
  const { acknowledged, lost, doubled, doubledInDoubt, attempts, away, output } = rolled
  const worst = (values: readonly number[]): number => Math.round(Math.max(0, ...values))
  t.diagnostic(
    `${rounds} rounds of at most ${worst(rolled.rounds)} ms: ${acknowledged} acknowledged, ${lost.length} lost, ${doubled.length} doubled, ${doubledInDoubt.length} doubled after a cut; ` +
      `attempts refused ${attempts.refused}, cut ${attempts.cut}; IDLE ended ${away.length} times, back within ${worst(away)} ms`,
  )
  assert.ok(acknowledged > 0)
  assert.deepEqual([lost, doubled, doubledInDoubt], [[], [], []])
  assert.ok(away.length >= rounds * IDLERS, `${away.length} returns`)
  assert.ok(worst(away) < BACK_MS)
  assert.equal(rolled.exitCode, 0)
  assert.equal(output.match(/all workers are new/g)?.length, rounds)
  assert.doesNotMatch(output, /a worker died|does not start|session failed/)
}
