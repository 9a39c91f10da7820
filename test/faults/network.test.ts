/** Partitions between hosts, Postgres and Redis, in short; `network.full.ts` waits for every timeout. */
import { test } from 'node:test'
import { netnsMissing } from '../support/netns.ts'
import { redisMissing } from '../support/redis.ts'
import { runInLab } from './lab.ts'

test('a host that cannot reach Redis or Postgres for a while', { skip: netnsMissing || redisMissing, timeout: 180_000 }, (t) =>
  runInLab(t, new URL('network.lab.ts', import.meta.url), { hosts: ['a', 'b'], form: 'short', within: 170_000 }),
)
