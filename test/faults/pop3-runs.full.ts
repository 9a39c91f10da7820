/**
 * 1,000 random runs of two POP3 sessions, one of IMAP and a delivery on one account. POSTERN_POP3_SEED is the first seed, POSTERN_POP3_RUNS how many; with POSTERN_POP3_STOPS=1
 * the first run that goes wrong is the last.
 */
import { test } from 'node:test'
import { runsOf } from './pop3-runs/runs.ts'

const RUNS = Number(process.env['POSTERN_POP3_RUNS'] || 1_000)
const SEED = Number(process.env['POSTERN_POP3_SEED'] || 1_000)
const STOPS = process.env['POSTERN_POP3_STOPS'] === '1'

test(`POP3, IMAP and SMTP on one account, ${RUNS} times, while connections and processes end`, (t) =>
  runsOf(t, { first: SEED, runs: RUNS, stops: STOPS }))
