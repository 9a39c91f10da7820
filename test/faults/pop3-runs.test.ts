/** Random runs on one account in short. */
import { test } from 'node:test'
import { runsOf } from './pop3-runs/runs.ts'

test('POP3, IMAP and SMTP on one account, while connections and processes end', (t) => runsOf(t, { first: 1, runs: 40 }))
