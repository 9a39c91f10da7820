/** A process paused with a POP3 lease until that runs out by itself. */
import { test } from 'node:test'
import { pausedReader } from './paused.ts'

for (const gone of [false, true])
  test(`a QUIT that comes after the maildrop was taken over${gone ? ' and left again' : ''} deletes nothing`, { timeout: 400_000 }, (t) =>
    pausedReader(t, { waits: true, gone }),
  )
