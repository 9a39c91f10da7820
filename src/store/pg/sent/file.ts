/** The server's own copy of what an account sends, in its mailbox for sent mail; or the one that a program appended before. */
import { createHash } from 'node:crypto'
import { type AccountAccess, grantMailbox, type MailboxAccess } from '../../access.ts'
import { Refusal } from '../../errors.ts'
import { flagBit, systemFlag } from '../../flags.ts'
import type { SentCopy } from '../../mailstore.ts'
import { MAX_UID, type OpId } from '../../types.ts'
import type { Pool } from '../pool.ts'
import { overQuota, roomFor } from '../quota.ts'
import { Releases } from '../releases.ts'
import { findMailboxOfUse, mailboxOfUse } from '../special-use.ts'
import type { Staged } from '../stage.ts'
import { newOp, noteOp, settleOp, type Transactor, type Tx } from '../tx.ts'
import { lockAndCatchUp, type StateWriter, underOp, type Written, writeAll } from '../write.ts'
import { type CopyKey, copyKey, headLikeness } from './likeness.ts'
import { appendLocked, flagsOf } from './merge.ts'
import { findCopies, noteCopy, noteFiled, type Ways } from './rows.ts'

/** The mailbox may be deleted while it is being locked. */
const TRIES = 3
const SEEN_FLAG = flagBit(systemFlag('\\Seen')!)

/** uidvalidity, UID twice, stamp: as the op rows of deliveries are made, so that `Releases` finds them. */
type Answer = readonly [number, number, number, number]

export class SentCopies {
  readonly #pool: Pool
  readonly #writer: StateWriter
  readonly #releases: Releases

  constructor(pool: Pool, writer: StateWriter) {
    this.#pool = pool
    this.#writer = writer
    this.#releases = new Releases(pool)
  }

  close(): Promise<void> {
    return this.#releases.close()
  }

  /** Sees to it that there is a mailbox for sent mail, with room. Refusal 'over-quota', 'limit' (mailboxes). */
  async prepare(a: AccountAccess, octets: number): Promise<void> {
    if (!(await roomFor(this.#pool, await this.#place(a), octets)).fits) throw overQuota()
  }

  /** See `MailStore.fileSent`. */
  async file(a: AccountAccess, copy: SentCopy, attempt: string): Promise<{ again: boolean; confirm(): void }> {
    const op = createHash('sha256').update(`${attempt} sent`).digest('hex').slice(0, 32) as OpId
    await this.#releases.settle({ account: a.account, op })
    const content = copy.content as Staged
    const likeness = headLikeness(content)
    const key = likeness && (await copyKey(this.#pool, likeness, content))
    const stamp = Date.now()
    const answer = await this.#onPlace(a, (m) => underOp<Answer>(this.#writer, m, op, (tx, done) => this.#write(tx, { m, copy, key, stamp, done })))
    return { again: answer[3] !== stamp, confirm: () => this.#releases.add({ account: a.account, op, modseq: answer[3] as never }) }
  }

  async #onPlace<T>(a: AccountAccess, work: (m: MailboxAccess) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work(await this.#place(a))
      } catch (err) {
        if (!(err instanceof Refusal && err.reason === 'gone') || tries >= TRIES) throw err
      }
    }
  }

  /** Made if there is none: who asked for copies looks for them there. */
  async #place(a: AccountAccess): Promise<MailboxAccess> {
    const { account } = a
    const id = (await findMailboxOfUse(this.#pool, account, '\\Sent')) ?? (await made(this.#writer.transactor, account))
    return grantMailbox(a, id, true)
  }

  async #write(tx: Tx, { m, copy, key, stamp, done }: Filing): Promise<Answer> {
    const { account, mailbox } = m
    const { locked, index } = await lockAndCatchUp(tx, { indexes: this.#writer.indexes, on: m })
    const [row] = key ? await findCopies(tx, account, [key]) : []
    const isThere = row?.mailbox === mailbox && row.recent && index.find(row.uid) !== undefined
    const uid = isThere ? row.uid : locked.uidnext
    if (isThere) await writeAll(tx, { on: m, locked, done }, flagsOf(index, new Map([[uid, SEEN_FLAG]])))
    else {
      if (uid > MAX_UID) throw new Refusal('limit', 'the mailbox has no UIDs left')
      await appendLocked(tx, { account, mailbox, messages: [{ content: copy.content as Staged, flags: SEEN_FLAG, date: copy.internalDate }] }, done)
      if (key) await noteCopy(tx, account, key, { mailbox, uid })
    }
    if (key) await noteFiled(tx, account, key, waysOf(copy))
    return [locked.uidvalidity, uid, uid, stamp]
  }
}

interface Filing {
  readonly m: MailboxAccess
  readonly copy: SentCopy
  readonly key: CopyKey | undefined
  readonly stamp: number
  readonly done: Written[]
}

const waysOf = ({ held }: SentCopy): Ways | undefined =>
  held && {
    until: held.until,
    accounts: held.ways.map(({ account }) => account),
    contents: held.ways.map(({ content }) => content),
    recipients: held.ways.reduce((sum, { recipients }) => sum + recipients, 0),
  }

function made(transactor: Transactor, account: AccountAccess['account']): ReturnType<typeof mailboxOfUse> {
  const op = newOp()
  return transactor.transact(
    account,
    op,
    async (tx) => {
      await tx.begin()
      await noteOp(tx, account, op, null)
      const id = await mailboxOfUse(tx, account, '\\Sent')
      await settleOp(tx, account, op, id)
      await tx.commit()
      return id
    },
    (stored) => stored as Awaited<ReturnType<typeof mailboxOfUse>>,
  )
}
