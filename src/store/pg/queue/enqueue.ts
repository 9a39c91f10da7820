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
import { newOp, type Transactor, type Tx } from '../tx.ts'

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

/** Transactions that are told apart among those of one text of which nobody knows whether their client heard the answer; what comes after them is queued for certain, perhaps twice. */
const MAX_PARTS = 32

const opOf = (name: string): OpId => createHash('sha256').update(name).digest('hex').slice(0, 32) as OpId
/** A recipient in the answer of an attempt. */
const shortOf = (address: string): string => createHash('sha256').update(address).digest('base64url').slice(0, 12)

/** What came of one transaction. */
interface Done {
  readonly again: boolean
  readonly stamp: number
  readonly queued: ContentId
  /** Whom it was for, where it was committed before; undefined: for all. */
  readonly to?: ReadonlySet<string> | undefined
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
    const met: (Done & { readonly op: OpId })[] = []
    let recipients = mail.recipients
    // Who splits the recipients of a message sends the same text to others: what its first part came to says nothing about them.
    for (let part = 0; recipients.length > 0; part++) {
      const op = opOf(part < MAX_PARTS ? `${attempt} queue${part > 0 ? ` ${part}` : ''}` : `${attempt} queue ${newOp()}`)
      const done = await this.#once({ account, op, stamp: Date.now(), content, mail: { ...mail, recipients } })
      const others = done.again ? recipients.filter(({ address }) => done.to?.has(shortOf(address)) === false) : []
      if (others.length < recipients.length) met.push({ ...done, op })
      recipients = others
    }
    const last = met.at(-1)
    if (!last) throw new Error('a message for nobody')
    return {
      again: last.again,
      content: last.queued,
      confirm: () => {
        for (const { op, stamp } of met) this.#releases.add({ account, op, modseq: stamp as never })
      },
    }
  }

  /** All of it, or what came of the attempt that was before. */
  async #once(all: Enqueueing): Promise<Done> {
    const { account, op, stamp, content } = all
    await this.#releases.settle({ account, op })
    return this.#transactor.transact<Done>(
      account,
      op,
      async (tx) => {
        await write(tx, all)
        return { again: false, stamp, queued: content.id }
      },
      (answer) => {
        const [, , , before, queued = '0', to] = answer as Answer
        // Of a version that did not note it: nothing that is in the queue, and everybody.
        return { again: true, stamp: before, queued: BigInt(queued) as ContentId, to: to && new Set(to) }
      },
    )
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

/** As the op rows of deliveries are made, so that `Releases` finds them; what was queued, and for whom. */
type Answer = readonly [number, number, number, stamp: number, content?: string, to?: readonly string[]]
const opValues = ({ account, op, stamp, content, mail }: Enqueueing) => [
  ...[account, op],
  JSON.stringify([0, 0, 0, stamp, `${content.id}`, mail.recipients.map(({ address }) => shortOf(address))] satisfies Answer),
]

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
