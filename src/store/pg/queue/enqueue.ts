/** Queueing: content, envelope and recipients of a message for other servers, with the op id of its attempt, in one transaction. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { AccountAccess } from '../../access.ts'
import type { NewOutbound, OutboundRecipient, Queued } from '../../queue.ts'
import type { AccountId, ContentId, OpId } from '../../types.ts'
import { int4Array } from '../arrays.ts'
import { adoptSpilled } from '../contents.ts'
import { isSpilled } from '../land.ts'
import type { Pool } from '../pool.ts'
import { Releases } from '../releases.ts'
import type { Statement } from '../rows.ts'
import { STRUCTURE_VERSION, type Staged } from '../stage.ts'
import type { Transactor, Tx } from '../tx.ts'

/** What the queue is divided into: where it is spread over several databases, a bucket lies in one of them. */
const BUCKETS = 64

export const bucketOf = (domain: string): number => crc32(domain) % BUCKETS

/** Whoever waits for something to send watches it; of all accounts. */
export const QUEUE_TOPIC = { account: 0 as AccountId, of: 'queue' } as const

// The op id first: an attempt that was committed before is found out by it. A content whose chunks were staged is written by `adoptSpilled`.
const ENQUEUE: Statement = {
  name: 'queue_enqueue',
  text: `
    with o as (insert into op (account_id, op_id, answer) values ($1, $2, $3)),
    c as (insert into content (account_id, content_id, size, chunks, crlf_gain, sha256, header, envelope, bodystructure, parts, preview, structure_version)
      select $1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, ${STRUCTURE_VERSION} where not $14::boolean),
    k as (insert into content_chunk (account_id, content_id, seq, raw_size, zstd, data) select $1, $4, 0, $15, $16::boolean, $17 where $15::int4 is not null),
    m as (insert into outbound (account_id, content_id, prefix, skip, size, reverse_path, eight_bit, utf8, require_tls, envelope_id, ret, tls_optional)
      values ($1, $4, $18, $19, $20, $21, $22, $23, $24, $25, $26, $35)),
    s as (insert into sent as t (account_id, hour, recipients) select $1, date_trunc('hour', now()), $27::int4 where $27::int4 > 0
      on conflict (account_id, hour) do update set recipients = t.recipients + excluded.recipients)
    insert into queue (bucket, account_id, content_id, domain, address, notify, original, run_at, expires_at)
    select bucket, $1, $4, domain, address, notify, nullif(original, ''), now() + make_interval(secs => $28::float8), now() + make_interval(secs => $29::float8)
    from unnest($30::int4[], $31::text[], $32::text[], $33::int4[], $34::text[]) r(bucket, domain, address, notify, original)`,
}

interface Enqueueing {
  readonly account: AccountId
  readonly op: OpId
  readonly stamp: number
  readonly content: Staged
  readonly mail: NewOutbound
}

export class Enqueuer {
  readonly #pool: Pool
  readonly #transactor: Transactor
  readonly #releases: Releases

  constructor(pool: Pool, transactor: Transactor) {
    this.#pool = pool
    this.#transactor = transactor
    this.#releases = new Releases(pool)
  }

  close(): Promise<void> {
    return this.#releases.close()
  }

  async enqueue({ account }: AccountAccess, content: Staged, mail: NewOutbound, attempt: string): Promise<Queued> {
    if (content.account !== account) throw new Error('a content of another account')
    const op = createHash('sha256').update(`${attempt} queue`).digest('hex').slice(0, 32) as OpId
    await this.#releases.settle({ account, op })
    const stamp = Date.now()
    const done = await this.#transactor.transact(
      account,
      op,
      async (tx) => {
        await write(tx, { account, op, stamp, content, mail })
        return { again: false, stamp, queued: content.id }
      },
      // Of a version that did not note it: nothing that is in the queue.
      (answer) => ({ again: true, stamp: (answer as Answer)[3], queued: BigInt((answer as Answer)[4] ?? '0') as ContentId }),
    )
    return { again: done.again, content: done.queued, confirm: () => this.#releases.add({ account, op, modseq: done.stamp as never }) }
  }

  /** Recipients in this hour and in the last 24. */
  async sent(account: AccountId): Promise<{ hour: number; day: number }> {
    const sent = { hour: 0, day: 0 }
    await this.#pool.rows(SENT, [account], (row) => {
      sent.hour = row.int()
      sent.day = row.int()
    })
    return sent
  }
}

const SENT: Statement = {
  name: 'queue_sent',
  text: `select coalesce(sum(recipients) filter (where hour = date_trunc('hour', now())), 0)::int4, coalesce(sum(recipients), 0)::int4
         from sent where account_id = $1 and hour > now() - interval '24 hours'`,
}

async function write(tx: Tx, all: Enqueueing): Promise<void> {
  const spilled = isSpilled(all.content)
  if (spilled) await tx.begin()
  await tx.rows(ENQUEUE, [
    ...opValues(all),
    ...contentValues(all.content, spilled),
    ...messageValues(all),
    ...recipientValues(all.mail),
    all.mail.tlsOptional ?? false,
  ])
  if (spilled) {
    await adoptSpilled(tx, all.account, all.content)
    await tx.commit()
  }
  tx.touch(QUEUE_TOPIC.account, QUEUE_TOPIC.of, 0)
}

/** As the op rows of deliveries are made, so that `Releases` finds them; and what was queued. */
type Answer = readonly [number, number, number, stamp: number, content?: string]
const opValues = ({ account, op, stamp, content }: Enqueueing) => [account, op, JSON.stringify([0, 0, 0, stamp, `${content.id}`] satisfies Answer)]

const contentValues = (c: Staged, spilled: boolean) => [
  ...[c.id, c.size, c.chunks, c.crlfGain, Buffer.from(c.sha256, 'hex'), c.header, c.envelope, c.bodystructure, c.parts, c.preview, spilled],
  ...[c.inline?.rawSize ?? null, c.inline?.zstd ?? null, c.inline?.data ?? null],
]

function messageValues({ content, mail }: Enqueueing) {
  const { prefix, skip, reversePath, eightBit, utf8, requireTls, envelopeId = null, ret = null, recipients, counts, notBefore, expires } = mail
  const size = prefix.length + content.size - skip
  // From now on: the clock of this host need not be the one that the queue goes by.
  const now = Date.now()
  const [wait, life] = [Math.max(notBefore - now, 0) / 1000, (expires - now) / 1000]
  return [prefix, skip, size, reversePath, eightBit, utf8, requireTls, envelopeId, ret, counts ? recipients.length : 0, wait, life]
}

function recipientValues({ recipients }: NewOutbound) {
  const each = <T>(take: (recipient: OutboundRecipient) => T): T[] => recipients.map(take)
  return [
    int4Array(each(({ domain }) => bucketOf(domain))),
    each(({ domain }) => domain),
    each(({ address }) => address),
    int4Array(each(({ notify }) => notify)),
    each(({ original = '' }) => original),
  ]
}
