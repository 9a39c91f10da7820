/** Reports in Postgres. */
import type { Reports } from '../../reports.ts'
import type { Lives } from '../lives.ts'
import type { Pool } from '../pool.ts'
import { claim, expire, note } from './due.ts'
import { refused, settle } from './keep.ts'

export const createReports = (pool: Pool, lives: Lives): Reports => ({
  note: (account, content) => note(pool, account, content),
  claim: () => claim(pool, lives),
  refused: ({ access }, reporter) => refused(pool, access.account, reporter),
  settle: (due, reading) => settle(pool, due, reading),
  expire: () => expire(pool),
})
