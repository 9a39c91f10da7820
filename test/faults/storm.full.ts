/** A storm of faults under load. Ten minutes; POSTERN_STORM_SEED gives a storm again, POSTERN_STORM_SECONDS another length. */
import { test } from 'node:test'
import { redisMissing } from '../support/redis.ts'
import { runStorm } from './storm-run.ts'

const seed = Number(process.env['POSTERN_STORM_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const seconds = Number(process.env['POSTERN_STORM_SECONDS'] ?? 600)

test(`${seconds} seconds of faults under load: seed ${seed}`, { skip: redisMissing, timeout: (seconds + 600) * 1_000 }, (t) =>
  runStorm(t, { seeds: [seed], seconds, users: 5, auditEvery: 60, calm: 3_000 }),
)
