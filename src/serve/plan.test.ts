import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROLES } from '../config/schema.ts'
import { nextWait } from './crew.ts'
import { planFor } from './plan.ts'
import { Refused } from './refused.ts'
import { connectionsFor } from './serving.ts'

const config = (more: object) => ({ hostname: 'mail.example.test', domains: ['example.test'], mailboxes: [], ...more })
const nothing = { workers: undefined, roles: undefined }

test('one worker for each core with Redis, one without; what is said goes before', () => {
  for (const [places, said, redis, expected] of [
    [nothing, {}, true, 6],
    [nothing, {}, false, 1],
    [nothing, { workers: 'auto' }, true, 6],
    [nothing, { workers: 3 }, true, 3],
    [{ ...nothing, workers: 2 }, { workers: 3 }, true, 2],
    [{ ...nothing, workers: 'auto' }, { workers: 3 }, false, 1],
  ] as const)
    assert.equal(planFor(config(said), places, redis, 6).workers, expected)
  assert.throws(() => planFor(config({ workers: 3 }), nothing, false, 6), Refused)
})

test('roles say which listeners there are', () => {
  assert.deepEqual(planFor(config({}), nothing, false).services, ['mx', 'submission', 'submissions', 'imaps', 'pop3s', 'https'])
  assert.deepEqual([...planFor(config({}), nothing, false).roles], [...ROLES])
  assert.deepEqual(planFor(config({ roles: ['mx', 'imap'] }), nothing, false).services, ['mx', 'imaps'])
  assert.deepEqual(planFor(config({ roles: ['mx'] }), { ...nothing, roles: ['submission'] }, false).services, ['submission', 'submissions'])
  assert.deepEqual(planFor(config({}), { ...nothing, roles: ['queue'] }, false).services, [])
  const on = { listeners: { pop3: { enabled: true } } }
  assert.deepEqual(planFor(config({ ...on, roles: ['pop3'] }), nothing, false).services, ['pop3s', 'pop3'])
  const off = { listeners: { mx: { enabled: false } } }
  assert.throws(() => planFor(config({ ...off, roles: ['mx', 'queue'] }), nothing, false), /nothing to serve/)
})

test('a worker that dies again and again is waited for, up to 30 s; one that lived is not', () => {
  const waits: number[] = []
  for (let n = 0; n < 12; n++) waits.push(nextWait(waits.at(-1), 50))
  assert.deepEqual(waits, [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000])
  assert.equal(nextWait(30_000, 60_000), 0)
})

test('workers share what a host may have of Postgres', () => {
  assert.deepEqual([1, 2, 4, 8, 16, 64].map(connectionsFor), [12, 12, 12, 6, 3, 3])
})
