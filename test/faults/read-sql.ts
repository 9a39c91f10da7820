/**
 * Everything that is stored, read by SQL with the auditor's own fold: rows of `message`, and the log after them. Of the product only the packing of the log's rows is used.
 * One REPEATABLE READ snapshot.
 */
import { createHash } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import pg from 'pg'
import { unpackChange } from '../../src/store/change.ts'
import { type Flags, flagNames, fromBigint } from '../../src/store/flags.ts'
import type { ModSeq, Uid } from '../../src/store/types.ts'
import { eachUid } from '../../src/store/uidset.ts'
import type { TestConnect } from '../support/postgres.ts'
import { sortedFlags } from './load/watcher.ts'

export interface StoredRow {
  readonly content: string
  readonly size: number
  /** Names, sorted. */
  readonly flags: string
  readonly modseq: number
  /** Hex SHA-256 of all octets, computed from the chunks; what `content.sha256` says where they differ is in `faults`. */
  readonly sha: string
  readonly octets: string
}

export interface StoredBox {
  readonly user: string
  readonly box: string
  readonly uidvalidity: number
  readonly uidnext: number
  readonly modseq: number
  readonly messages: number
  readonly unseen: number
  readonly bytes: number
  readonly rows: ReadonlyMap<number, StoredRow>
}

export interface Stored {
  readonly boxes: readonly StoredBox[]
  /** What cannot be: a hole in the log, a content that is not there, octets that are not those of its hash. */
  readonly faults: readonly string[]
}

interface MailboxRow {
  account_id: string
  id: number
  address: string
  name: string
  uidvalidity: string
  uidnext: string
  modseq: string
  folded: string
  messages: number
  unseen: number
  bytes: string
  keywords: string[]
}

interface Folding {
  content: string
  size: number
  flags: Flags
  modseq: number
}

/** `users`: of these only; their names before the @. */
export async function readStored(connect: TestConnect, users?: readonly string[]): Promise<Stored> {
  const client = new pg.Client(connect)
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    const faults: string[] = []
    const { rows: accounts } = await client.query<{ account_id: string }>(
      "select account_id from account where $1::text[] is null or split_part(address, '@', 1) = any ($1)",
      [users ?? null],
    )
    const ids = accounts.map(({ account_id }) => account_id)
    const contents = await readContents(client, { ids, faults })
    const { rows: mailboxes } = await client.query<MailboxRow>(
      `select m.account_id, m.id, a.address, m.name, m.uidvalidity, m.uidnext, m.modseq, f.folded_modseq as folded, m.messages, m.unseen, m.bytes, m.keywords
       from mailbox m join account a using (account_id) join mailbox_fold f on f.account_id = m.account_id and f.mailbox_id = m.id
       where m.deleted_at is null and m.account_id = any ($1) order by m.account_id, m.id`,
      [ids],
    )
    const boxes: StoredBox[] = []
    for (const mailbox of mailboxes) boxes.push(await readBox(client, mailbox, { contents, faults }))
    await client.query('rollback')
    return { boxes, faults }
  } finally {
    await client.end().catch(() => {})
  }
}

interface ContentState {
  readonly sha: string
  readonly octets: string
}

async function readContents(client: pg.Client, { ids, faults }: { ids: readonly string[]; faults: string[] }): Promise<Map<string, ContentState>> {
  const { rows: heads } = await client.query<{
    account_id: string
    content_id: string
    size: number
    chunks: number
    sha256: Buffer
    header: Buffer
  }>('select account_id, content_id, size, chunks, sha256, header from content where account_id = any ($1)', [ids])
  const { rows: chunks } = await client.query<{ account_id: string; content_id: string; zstd: boolean; data: Buffer }>(
    'select account_id, content_id, zstd, data from content_chunk where account_id = any ($1) order by account_id, content_id, seq',
    [ids],
  )
  const parts = Map.groupBy(chunks, ({ account_id, content_id }) => `${account_id}/${content_id}`)
  const contents = new Map<string, ContentState>()
  for (const { account_id, content_id, size, chunks: count, sha256, header } of heads) {
    const key = `${account_id}/${content_id}`
    const own = parts.get(key) ?? []
    const whole = Buffer.concat([header, ...own.map(({ zstd, data }) => (zstd ? zstdDecompressSync(data) : data))])
    const sha = createHash('sha256').update(whole).digest('hex')
    if (own.length !== count || whole.length !== size || sha !== sha256.toString('hex'))
      faults.push(`content ${key} has ${own.length} of ${count} chunks, ${whole.length} of ${size} octets`)
    contents.set(key, { sha, octets: whole.toString('latin1') })
  }
  return contents
}

async function readBox(
  client: pg.Client,
  mailbox: MailboxRow,
  { contents, faults }: { contents: Map<string, ContentState>; faults: string[] },
): Promise<StoredBox> {
  const name = `${mailbox.address.split('@')[0]}/${mailbox.name}`
  const folding = await readRows(client, mailbox)
  await applyLog(client, mailbox, { folding, faults, name })
  const rows = new Map<number, StoredRow>()
  for (const [uid, { content, size, flags, modseq }] of [...folding].sort(([a], [b]) => a - b)) {
    const state = contents.get(`${mailbox.account_id}/${content}`)
    if (!state) faults.push(`${name} UID ${uid} names content ${content}, which is not there`)
    else if (state.octets.length !== size) faults.push(`${name} UID ${uid} says ${size} octets, its content has ${state.octets.length}`)
    rows.set(uid, {
      ...{ content, size, modseq },
      flags: sortedFlags(flagNames(flags, mailbox.keywords)),
      sha: state?.sha ?? '',
      octets: state?.octets ?? '',
    })
  }
  return {
    user: mailbox.address.split('@')[0]!,
    box: mailbox.name,
    uidvalidity: Number(mailbox.uidvalidity),
    uidnext: Number(mailbox.uidnext),
    modseq: Number(mailbox.modseq),
    messages: mailbox.messages,
    unseen: mailbox.unseen,
    bytes: Number(mailbox.bytes),
    rows,
  }
}

async function readRows(client: pg.Client, { account_id, id }: MailboxRow): Promise<Map<number, Folding>> {
  const { rows } = await client.query<{ uid: string; content_id: string; size: number; flags: string; modseq: string }>(
    'select uid, content_id, size, flags, modseq from message where account_id = $1 and mailbox_id = $2',
    [account_id, id],
  )
  return new Map(
    rows.map(({ uid, content_id, size, flags, modseq }) => [
      Number(uid),
      { content: content_id, size, flags: fromBigint(BigInt(flags)), modseq: Number(modseq) },
    ]),
  )
}

interface Log {
  readonly folding: Map<number, Folding>
  readonly faults: string[]
  readonly name: string
}

async function applyLog(client: pg.Client, { account_id, id, folded, modseq }: MailboxRow, { folding, faults, name }: Log): Promise<void> {
  const { rows } = await client.query<{ modseq: string; kind: number; first_uid: string; data: Buffer }>(
    'select modseq, kind, first_uid, data from change where account_id = $1 and mailbox_id = $2 and modseq > $3 order by modseq',
    [account_id, id, folded],
  )
  let at = Number(folded)
  for (const row of rows) {
    const change = unpackChange(Number(row.modseq) as ModSeq, row.kind, Number(row.first_uid) as Uid, row.data)
    if (change.kind !== 'gap' && change.modseq !== at + 1) faults.push(`${name}: the log goes from ${at} to ${change.modseq}`)
    at = change.modseq
    if (change.kind === 'append')
      for (let row = 0; row < change.rows.count; row++) {
        const { uid, content, size, flags, modseq } = change.rows.row(row)
        if (folding.has(uid)) faults.push(`${name}: UID ${uid} is appended twice`)
        folding.set(uid, { content: `${content}`, size, flags, modseq })
      }
    else if (change.kind === 'expunge')
      for (const uid of eachUid(change.uids)) {
        if (!folding.delete(uid)) faults.push(`${name}: UID ${uid} is expunged and was not there`)
      }
    else if (change.kind === 'flags') applyFlags(folding, change)
  }
  if (at !== Number(modseq)) faults.push(`${name}: the log ends at ${at}, the mailbox stands at ${modseq}`)
}

function applyFlags(folding: Map<number, Folding>, change: { uids: readonly number[]; add: Flags; remove: Flags; modseq: number }): void {
  const { add, remove } = change
  for (const uid of eachUid(change.uids)) {
    const row = folding.get(uid)
    if (!row) continue
    row.flags = { lo: ((row.flags.lo & ~remove.lo) | add.lo) >>> 0, hi: ((row.flags.hi & ~remove.hi) | add.hi) >>> 0 }
    row.modseq = change.modseq
  }
}
