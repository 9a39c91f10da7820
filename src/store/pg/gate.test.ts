import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from './gate.ts'
import { Hosts, urlsOf } from './hosts.ts'

test('while it is down one tries for all; when it is back all pass', async () => {
  const gate = new Gate()
  let up = false
  let attempts = 0
  const attempt = async () => {
    attempts++
    if (!up) throw new Error('down')
    return 'in'
  }
  await assert.rejects(
    gate.pass(attempt, () => true, 0),
    /down/,
  )
  attempts = 0
  const all = Array.from({ length: 200 }, () => gate.pass(attempt, () => true, 5_000))
  await new Promise((resolve) => setTimeout(resolve, 300))
  const tried = attempts
  assert.ok(tried >= 1 && tried <= 8, `${tried} attempts in 300 ms`)
  assert.equal(gate.waiting, 199)
  up = true
  assert.deepEqual(new Set(await Promise.all(all)), new Set(['in']))
  assert.equal(gate.isDown, false)
})

test('a reason that does not pass is thrown at once; patience ends', async () => {
  const gate = new Gate()
  const failing = (words: string) => async () => {
    throw new Error(words)
  }
  await assert.rejects(
    gate.pass(failing('wrong password'), () => false, 5_000),
    /wrong password/,
  )
  const started = performance.now()
  const two = [1, 2].map(() => gate.pass(failing('down'), () => true, 200))
  assert.deepEqual(
    (await Promise.allSettled(two)).map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.ok(performance.now() - started < 2_000)
})

test('several hosts in one URL', () => {
  const url = 'postgres://u:p%40ss@a:5433,b,[::1]:5/mail?target_session_attrs=read-write'
  const each = urlsOf(url)
  assert.deepEqual(
    each.map((one) => new URL(one).host),
    ['a:5433', 'b', '[::1]:5'],
  )
  assert.ok(each.every((one) => one.startsWith('postgres://u:p%40ss@') && one.endsWith('/mail?target_session_attrs=read-write')))
  assert.deepEqual(urlsOf('postgres://u@/mail?host=/run/x'), ['postgres://u@/mail?host=/run/x'])
  assert.throws(() => urlsOf('postgres://a,b/x?target_session_attrs=standby'), /primary only/)
  assert.throws(() => urlsOf('postgres://a,,b/x'), /divided by commas/)
  const hosts = new Hosts(each)
  const [a, b] = each as [string, string]
  hosts.failed(a)
  hosts.failed(a)
  assert.equal(hosts.current, b)
})
