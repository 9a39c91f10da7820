/** Partitions between hosts, Postgres and Redis, with every timeout waited for, and under load. */
import { test } from 'node:test'
import { netnsMissing } from '../support/netns.ts'
import { redisMissing } from '../support/redis.ts'
import { runInLab } from './lab.ts'

test('hosts that cannot reach Redis or Postgres', { skip: netnsMissing || redisMissing, timeout: 1_200_000 }, (t) =>
  runInLab(t, new URL('network.lab.ts', import.meta.url), { hosts: ['a', 'b'], form: 'full', within: 1_190_000 }),
)
