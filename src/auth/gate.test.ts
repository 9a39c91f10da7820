import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGate, GateFull } from './gate.ts'

const options = { atOnce: 2, waiting: 4, waitingPerOrigin: 3, waitMs: 5_000 }
const job = () => Promise.withResolvers<void>()

test('so many run at once, the rest wait in order', async () => {
  const gate = createGate(options)
  const jobs = [job(), job(), job(), job()]
  const begun: number[] = []
  const done = jobs.map((j, i) =>
    gate.run(`${i}`, () => {
      begun.push(i)
      return j.promise
    }),
  )
  await new Promise(setImmediate)
  assert.deepEqual(begun, [0, 1])
  jobs[1]!.resolve()
  await done[1]
  await new Promise(setImmediate)
  assert.deepEqual(begun, [0, 1, 2])
  jobs[0]!.reject(new Error('work of the test'))
  await assert.rejects(done[0]!, /work of the test/)
  await new Promise(setImmediate)
  assert.deepEqual(begun, [0, 1, 2, 3])
  for (const j of jobs) j.resolve()
  await Promise.all(done.slice(1))
})

test('one origin fills its own part of the queue only', async () => {
  const gate = createGate(options)
  const hold = job()
  const held = [gate.run('a', () => hold.promise), gate.run('a', () => hold.promise)]
  for (let i = 0; i < 3; i++) held.push(gate.run('a', async () => {}))
  await assert.rejects(
    gate.run('a', async () => {}),
    GateFull,
  )
  held.push(gate.run('b', async () => {}))
  await assert.rejects(
    gate.run('c', async () => {}),
    GateFull,
  )
  hold.resolve()
  await Promise.all(held)
  await gate.run('a', async () => {})
})

test('who waits too long is sent away, and leaves no gap', async () => {
  const gate = createGate({ ...options, atOnce: 1, waitMs: 20 })
  const hold = job()
  const first = gate.run('a', () => hold.promise)
  await assert.rejects(
    gate.run('b', async () => assert.fail('ran')),
    GateFull,
  )
  hold.resolve()
  await first
  await gate.run('c', async () => {})
})
