/** Structures that a program of an older STRUCTURE_VERSION made: made anew from the octets, and kept. */
import { setImmediate } from 'node:timers/promises'
import { opaqueStructure } from '../../mail/opaque.ts'
import { unpackParts } from '../../mail/parts.ts'
import { MAX_PREVIEW_BYTES, previewOf } from '../../mail/preview.ts'
import { parseStructure, StructureParser } from '../../mail/structure.ts'
import type { ContentColumn, ContentRow } from '../mailstore.ts'
import type { AccountId, ContentId } from '../types.ts'
import { byteaArray, int8Array } from './arrays.ts'
import { type ContentBatch, isOfStructure } from './content-batch.ts'
import { readBatches, readOctets } from './content-rows.ts'
import type { Pool } from './pool.ts'
import type { Statement } from './rows.ts'
import { STRUCTURE_VERSION } from './stage.ts'

/** Structures that are kept by one statement: so many, or of so many octets together. */
const KEEP_ROWS = 32
const KEEP_BYTES = 1024 * 1024
/** Milliseconds of computing after which the process's sessions get their turn. */
const TURN_MS = 10

interface Structure {
  readonly id: ContentId
  readonly envelope: Buffer
  readonly bodystructure: Buffer
  readonly parts: Buffer
  readonly preview: Buffer
}

// Whoever else is at the same rows keeps them as well: nobody waits for that. And what a newer program made stays.
const KEEP: Statement = {
  name: 'structure_keep',
  text: `with l as (
           select content_id from content where account_id = $1 and content_id = any($2::int8[]) and structure_version < ${STRUCTURE_VERSION}
           for no key update skip locked)
         update content c set envelope = t.envelope, bodystructure = t.bodystructure, parts = t.parts, preview = t.preview, structure_version = ${STRUCTURE_VERSION}
         from l join unnest($2::int8[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[]) t(content_id, envelope, bodystructure, parts, preview)
           on t.content_id = l.content_id
         where c.account_id = $1 and c.content_id = l.content_id`,
}
// Who believed that there are none looks again, from there.
const REOPEN: Statement = {
  name: 'structure_reopen',
  text: `update structure_state set done = false, cursor = least(cursor, $2::int8 - 1)
         where account_id = $1 and done and version = ${STRUCTURE_VERSION}`,
}

/** Gives rows that were read of older structures what this program makes of their octets, and keeps that. One whose octets cannot be read stays as it was. */
export async function renewStructures(
  pool: Pool,
  account: AccountId,
  { batch, want }: { readonly batch: ContentBatch; readonly want: readonly ContentColumn[] },
): Promise<void> {
  const places = new Map([...batch.old()].map(({ n, id }) => [id, n]))
  if (places.size === 0) return
  const ids = [...places.keys()]
  if (want.some((column) => isOfStructure(column) && column !== 'envelope')) {
    for await (const made of structuresOf(pool, account, ids))
      for (const column of ['envelope', 'bodystructure', 'parts', 'preview'] as const) batch.make(column, places.get(made.id)!, made[column])
  } else {
    // The header is enough for an envelope: whoever lists a mailbox does not wait for its bodies.
    for await (const rows of readBatches(pool, { account, asked: ids, want: ['header'] }))
      for (const { id, header } of rows) if (header) batch.make('envelope', places.get(id)!, parseStructure(header).envelope)
  }
  // That the background finds others of the same time is no part of the answer.
  const first = ids.reduce((least, id) => (id < least ? id : least))
  await pool.rows(REOPEN, [account, first]).catch(() => {})
}

/** Makes the structures of these contents anew and keeps them, a few at a time. Those that are gone, or cannot be read, are passed over. */
export async function* structuresOf(pool: Pool, account: AccountId, ids: readonly ContentId[]): AsyncGenerator<Structure> {
  let made: Structure[] = []
  let bytes = 0
  let since = performance.now()
  const keep = async (): Promise<void> => {
    // That it is kept is no part of the answer either.
    if (made.length > 0) await keepStructures(pool, account, made).catch(() => {})
    made = []
    bytes = 0
  }
  for await (const batch of readBatches(pool, { account, asked: ids, want: ['header', 'body'] }))
    for (const row of batch) {
      const structure = row.header && (await structureOf(pool, account, row, row.header).catch(() => undefined))
      if (structure) {
        made.push(structure)
        bytes += structure.envelope.length + structure.bodystructure.length + structure.parts.length
        if (made.length >= KEEP_ROWS || bytes >= KEEP_BYTES) await keep()
        yield structure
      }
      if (performance.now() - since < TURN_MS) continue
      await setImmediate()
      since = performance.now()
    }
  await keep()
}

const keepStructures = (pool: Pool, account: AccountId, made: readonly Structure[]): Promise<number> =>
  pool.rows(KEEP, [
    account,
    int8Array(made.map(({ id }) => id)),
    byteaArray(made.map(({ envelope }) => envelope)),
    byteaArray(made.map(({ bodystructure }) => bodystructure)),
    byteaArray(made.map(({ parts }) => parts)),
    byteaArray(made.map(({ preview }) => preview)),
  ])

/** As `Stage` makes it when a message comes: one that cannot be taken apart is opaque. */
async function structureOf(pool: Pool, account: AccountId, { id, body }: ContentRow, header: Buffer): Promise<Structure> {
  let parser: StructureParser | undefined = new StructureParser()
  const takeApart = <T>(step: (parser: StructureParser) => T): T | undefined => {
    try {
      return parser && step(parser)
    } catch {
      parser = undefined
      return undefined
    }
  }
  let beginning = body
  let size = header.length
  const write = (piece: Buffer): void => {
    size += piece.length
    takeApart((to) => to.write(piece))
  }
  takeApart((to) => to.write(header))
  if (body) write(body)
  else
    for await (const piece of readOctets(pool, { account, id, from: header.length, to: Number.MAX_SAFE_INTEGER })) {
      beginning ??= piece.subarray(0, MAX_PREVIEW_BYTES)
      write(piece)
    }
  const { envelope, bodystructure, parts } = takeApart((to) => to.end()) ?? opaqueStructure(header.length, size)
  const preview = takeApart(() => previewOf({ header, body: beginning ?? Buffer.alloc(0) }, unpackParts(parts)))
  return { id, envelope, bodystructure, parts, preview: Buffer.from(preview ?? '') }
}
