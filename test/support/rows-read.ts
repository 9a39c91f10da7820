/**
 * Counts the rows, and their octets, that Postgres hands to this process: on every connection, whoever asked. Rows of the store's statements come by `rowSink` of their
 * connection, all others by pg's own queries; both are taken where they arrive, so that nobody reads past it.
 */
import pg from 'pg'
import { type BinaryConnection, BinaryQuery } from '../../src/store/pg/rows.ts'

/** What the process asks by the clock, and on each new connection, whatever its sessions do: whether it still is the same database. */
const CLOCKWORK = /^(?:guard|look|fold|reap|text|life)_/

interface Read {
  rows: number
  octets: number
}
export interface RowsRead extends Read {
  /** By the name of the statement. */
  readonly by: ReadonlyMap<string, Read>
}

const by = new Map<string, Read>()
const add = (statement: string, octets: number): void => {
  const read = by.get(statement)
  if (!read) by.set(statement, { rows: 1, octets })
  else {
    read.rows++
    read.octets += octets
  }
}

const LENGTH_BEFORE_BODY = 4
const { submit } = BinaryQuery.prototype
BinaryQuery.prototype.submit = function (connection: unknown): null {
  submit.call(this, connection)
  const { name } = this
  const wire = connection as BinaryConnection
  const sink = wire.rowSink!
  wire.rowSink = (frame, at) => {
    add(name, frame.readUInt32BE(at - LENGTH_BEFORE_BODY))
    sink(frame, at)
  }
  return null
}

interface TextQuery {
  handleDataRow(message: { length: number }): void
}
const textual = pg.Query.prototype as unknown as TextQuery
const { handleDataRow } = textual
textual.handleDataRow = function (message): void {
  add("pg's own", message.length)
  handleDataRow.call(this, message)
}

/** What was read while `work` ran and until it was done. */
export async function rowsRead(work: () => Promise<unknown>): Promise<RowsRead> {
  by.clear()
  await work()
  const counted = new Map([...by].filter(([name]) => !CLOCKWORK.test(name)))
  const sum = (of: keyof Read): number => [...counted.values()].reduce((total, read) => total + read[of], 0)
  return { rows: sum('rows'), octets: sum('octets'), by: counted }
}
