/** What a connection's database says of itself, in one statement; and whether it is the one that was known. Plain roles may ask all of it on Postgres 15 to 18. */
import pg from 'pg'
import { Unavailable } from '../errors.ts'
import type { Known } from './mark.ts'
import type { Session } from './pool.ts'
import type { Statement } from './rows.ts'

export interface Seen {
  /** It replays another's log: nothing may be read or written here. */
  readonly replica: boolean
  readonly minCompatible: number
  readonly incarnation: number
  readonly token: string
  readonly beat: number
  /** As the row remembers it: '' before anybody took it; and where the log ended at the last beat, -1 if unknown. */
  readonly mark: string
  readonly marked: number
  /** As it is: `system identifier/timeline/oid of the database/oid of the table`. '-' stands for what may not be asked. */
  readonly here: string
  /** Where its log ends now, in octets, -1 if unknown. */
  readonly end: number
  /** The token that was asked for is one of its history. */
  readonly knowsToken: boolean
}

/** `columns`: identity, and where the log ends. */
const statement = (name: string, columns: string): Statement => ({
  name,
  text: `select pg_is_in_recovery(), s.min_compatible, s.incarnation, i.token::text, s.beat, coalesce(s.mark, ''), coalesce(s.position, -1), ${columns},
           exists (select 1 from incarnation k where $1::uuid in (k.token, k.instead_of))
         from server s join incarnation i on i.n = s.incarnation`,
})
const TABLE = '(select oid from pg_database where datname = current_database()), s.tableoid'
const primary = (expression: string, otherwise: string) => `case when pg_is_in_recovery() then ${otherwise} else ${expression} end`
const SYSTEM = '(select system_identifier from pg_control_system())'
// pg_control_checkpoint() says the old timeline until the first checkpoint after a promotion; the name of the log's file says the new one at once.
const TIMELINE = primary('left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)', `'-'`)
const END = primary(`(pg_current_wal_insert_lsn() - '0/0')::int8`, '-1::int8')
const LOOK = statement('guard_look', `concat_ws('/', ${SYSTEM}, ${TIMELINE}, ${TABLE}), ${END}`)
const LOOK_PLAIN = statement('guard_look_plain', `concat_ws('/', '-', '-', ${TABLE}), -1::int8`)

/** Functions that do not exist here, or not for this role, or are switched off. */
const REFUSED = ['42501', '42883', '0A000']
/** No such table or column. */
const OLD_SCHEMA = ['42P01', '42703']

/** `plain`: this database refuses what it refuses; found out once. */
export async function look(session: Session, token: string | undefined, plain: boolean): Promise<Seen> {
  let seen: Seen | undefined
  try {
    await session.rows(plain ? LOOK_PLAIN : LOOK, [token ?? null], (row) => {
      seen = {
        replica: row.int() === 1,
        minCompatible: row.int(),
        incarnation: row.int(),
        token: row.text(),
        beat: row.long(),
        mark: row.text(),
        marked: row.long(),
        here: row.text(),
        end: row.long(),
        knowsToken: row.int() === 1,
      }
    })
  } catch (err) {
    if (OLD_SCHEMA.includes(codeOf(err)))
      throw new Unavailable('the database has an older schema than this program: restart Postern to bring it up to date', { cause: err })
    throw err
  }
  if (!seen) throw new Unavailable('the database has no row that says which one it is: it is being restored, or is damaged')
  return seen
}

export const isRefusedLook = (err: unknown): boolean => REFUSED.includes(codeOf(err))

const codeOf = (err: unknown): string => (err instanceof pg.DatabaseError && err.code) || ''

const PARTS = ['system identifier', 'timeline', 'database', 'tables'] as const

/** What '-' stands for is equal to anything. */
export function partsThatDiffer(a: string, b: string): string[] {
  const other = b.split('/')
  return a.split('/').flatMap((part, i) => (part === other[i] || part === '-' || other[i] === '-' ? [] : [`${PARTS[i]} ${part} → ${other[i]}`]))
}

/** Why this is not the database that was known, in words; undefined: it is. */
export function difference(seen: Seen, known: Known | undefined): string | undefined {
  if (known?.word && !seen.knowsToken)
    return known.word === 'restored' ? 'the mark says that a backup was put back' : 'the mark says that the database was moved'
  const parts = seen.mark === '' ? [] : partsThatDiffer(seen.mark, seen.here)
  if (parts.length > 0) return `it is a restored copy, a clone or a promoted replica (${parts.join(', ')})`
  if (!known || known.word) return undefined
  if (!seen.knowsToken) return `it never had incarnation ${known.incarnation}, which was served before`
  if (seen.token !== known.token) return undefined
  if (seen.beat < known.beat) return `it is older than what was seen of it before (beat ${seen.beat} after ${known.beat})`
  return undefined
}
