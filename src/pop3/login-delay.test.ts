import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_POP3 } from '../store/pop3-policy.ts'
import type { Throttle } from '../store/throttle.ts'
import type { AccountId } from '../store/types.ts'
import { createLoginDelays } from './login-delay.ts'
import { No } from './reply.ts'

/** One token each, given back after `1 / perSecond` seconds of a clock that a test moves. */
function house(delay = 60) {
  let now = 0
  const emptyUntil = new Map<string, number>()
  const left = (bucket: string): number => (emptyUntil.get(bucket) ?? 0) - now
  const throttle: Pick<Throttle, 'take' | 'check'> = {
    check: async (bucket) => left(bucket) <= 0,
    take: async (bucket, { perSecond }) => {
      if (left(bucket) > 0) return { ok: false, retryAfter: left(bucket) / 1000 }
      emptyUntil.set(bucket, now + 1000 / perSecond)
      return { ok: true, retryAfter: 0 }
    },
  }
  let longest: number | Error | Promise<number> = 90
  let asked = 0
  const longestLoginDelay = async (): Promise<number> => {
    asked++
    if (longest instanceof Error) throw longest
    return longest
  }
  const delays = createLoginDelays({ throttle, accounts: { longestLoginDelay } }, () => now)
  return {
    delays,
    pass: (seconds: number) => void (now += seconds * 1000),
    set: (to: number | Error | Promise<number>) => void (longest = to),
    asked: () => asked,
    of: (app?: string, seconds = delay, account = 7) =>
      delays.of({ account: account as AccountId, app, pop3: { ...DEFAULT_POP3, loginDelay: seconds } }),
  }
}

const refused = (pattern: RegExp) => (err: unknown) => err instanceof No && err.code === 'LOGIN-DELAY' && pattern.test(err.message)

test('from one login to the next, and to the second', async () => {
  const { of, pass } = house()
  await of().mayBegin()
  await of().begin()
  await assert.rejects(of().mayBegin(), refused(/ 60 seconds$/))
  pass(59.5)
  await assert.rejects(of().mayBegin(), refused(/ 1 seconds$/))
  pass(0.5)
  await of().mayBegin()
})

test('a login that was refused begins none', async () => {
  const { of, pass } = house()
  await of().begin()
  for (let i = 0; i < 3; i++) {
    pass(20)
    if (i < 2) await assert.rejects(of().mayBegin(), refused(/seconds$/))
  }
  // Allowed, but the maildrop was in use: nothing begins.
  await of().mayBegin()
  await of().mayBegin()
  await of().begin()
})

test('of two at once one is too early', async () => {
  const { of } = house()
  const [first, second] = [of(), of()]
  await Promise.all([first.mayBegin(), second.mayBegin()])
  await first.begin()
  await assert.rejects(second.begin(), refused(/seconds$/))
})

test('each app password, each account and each length on its own; none where there is none', async () => {
  const { of } = house()
  await of().begin()
  await of('phone').begin()
  await of('desktop').begin()
  await of('phone', 60, 8).begin()
  await of('phone', 61).begin()
  await assert.rejects(of('phone').mayBegin(), refused(/seconds$/))
  for (let i = 0; i < 3; i++) await of(undefined, 0).begin()
})

test('the longest of all is asked for every 10 seconds at most, and known while the database is away', async () => {
  const { delays, pass, set, asked } = house()
  assert.deepEqual([await delays.longest(), await delays.longest(), asked()], [90, 90, 1])
  set(new Error('away'))
  pass(11)
  assert.deepEqual([await delays.longest(), asked()], [90, 2])
  set(0)
  pass(11)
  assert.deepEqual([await delays.longest(), asked()], [0, 3])
  const { promise, resolve } = Promise.withResolvers<number>()
  set(promise)
  pass(11)
  const from = performance.now()
  assert.equal(await delays.longest(), 0)
  assert.ok(performance.now() - from < 5_000)
  resolve(30)
  await promise
  pass(11)
  assert.equal(await delays.longest(), 30)
})
