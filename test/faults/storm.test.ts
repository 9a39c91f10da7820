/** The storm in short; `storm.full.ts` has ten minutes of it. */
import { test } from 'node:test'
import { redisMissing } from '../support/redis.ts'
import { runStorm } from './storm-run.ts'

test('nothing is lost, doubled or mixed up while workers, Postgres and Redis die', { skip: redisMissing, timeout: 180_000 }, (t) =>
  runStorm(t, { seeds: [7, Math.floor(Math.random() * 2 ** 31)], seconds: 6, users: 3, auditEvery: 60, calm: 300 }),
)
