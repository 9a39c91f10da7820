/** Several hosts and workers, in short: whatever happens where, every session of a mailbox comes to see the same. The long form is cluster.full.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { netnsMissing } from '../support/netns.ts'
import { redisMissing } from '../support/redis.ts'
import { runCluster } from './run.ts'

test('two hosts with two workers each, sessions of one mailbox at all of them', { skip: netnsMissing || redisMissing }, async (t) => {
  const report = await runCluster(t, {
    ...{ seed: Date.now() % 1_000_000, accounts: 4, sessions: 32, idle: 0, seconds: 5 },
    notices: { mailboxes: 1, changes: 20 },
  })
  for (const what of ['delivery', 'append', 'flags', 'flags of all', 'copy', 'move', 'maildrop'])
    assert.ok((report.done[what] ?? 0) > 0, `there was no ${what}`)
  assert.ok(report.notices.otherHost.count > 0)
})
