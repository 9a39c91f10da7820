/** 200 sessions over 20 accounts on two hosts with two workers each; then notices with 2,000 sessions in IDLE. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { netnsMissing } from '../support/netns.ts'
import { redisMissing } from '../support/redis.ts'
import { runCluster } from './run.ts'

for (const seed of [1, Date.now() % 1_000_000])
  test(`200 sessions, seed ${seed}`, { skip: netnsMissing || redisMissing, timeout: 600_000 }, async (t) => {
    const report = await runCluster(t, {
      ...{ seed, accounts: 20, sessions: 200, idle: 1_800, seconds: 60 },
      notices: { mailboxes: 10, changes: 50 },
    })
    assert.ok(report.notices.sameHost.p99 < 50 && report.notices.otherHost.p99 < 50)
  })
