/** A paused POP3 session in short: the database is told that the lease ran out. */
import { test } from 'node:test'
import { pausedReader } from './paused.ts'

test('a QUIT that comes after the maildrop was taken over deletes nothing', (t) => pausedReader(t, { waits: false, gone: false }))
