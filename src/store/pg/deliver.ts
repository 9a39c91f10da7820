/**
 * Delivery: one content for many recipients, each of them all or nothing.
 *
 * A sender that did not hear our yes sends again. So the op id of a delivery is made of what was sent (`attempt`) and of the mailbox that it goes to: a retry meets
 * the op row of the first time and is answered without being written, for each recipient on its own. The row stays until the sender has shown that it heard us.
 */
import { createHash } from 'node:crypto'
import { counts } from '../../counts.ts'
import type { AccountAccess } from '../access.ts'
import { flagBit, NO_FLAGS, systemFlag, union } from '../flags.ts'
import type { Delivered, Delivery } from '../mailstore.ts'
import type { AccountId, MailboxId, OpId } from '../types.ts'
import { type Appender, type Done, MailboxGone } from './append.ts'
import { copySpilled } from './contents.ts'
import { isSpilled } from './land.ts'
import type { Pool } from './pool.ts'
import { type Release, Releases } from './releases.ts'
import type { Statement } from './rows.ts'
import type { Staged } from './stage.ts'
import { newOp } from './tx.ts'

const INBOX: Statement = { name: 'inbox', text: "select id from mailbox where account_id = $1 and name = 'INBOX' and deleted_at is null" }

/** What is delivered; `attempt` as `MailStore.deliver` has it. */
interface Message {
  readonly content: Staged
  readonly date: number
  readonly attempt: string | undefined
}

/** One recipient's share, done. */
interface Landed extends Done {
  readonly op: OpId
}

export class Deliveries {
  readonly #pool: Pool
  readonly #appender: Appender
  readonly #releases: Releases
  /** Under way in this process, by account and op: the same message over a second connection waits for the first. */
  readonly #underWay = new Map<string, Promise<Done>>()

  constructor(pool: Pool, appender: Appender) {
    this.#pool = pool
    this.#appender = appender
    this.#releases = new Releases(pool)
  }

  close(): Promise<void> {
    return this.#releases.close()
  }

  async deliver(what: Message, to: readonly Delivery[]): Promise<Delivered> {
    const byAccount = new Map<AccountId, Map<MailboxId, Delivery>>()
    for (const delivery of to) {
      const { account } = delivery.to
      const mailboxes = byAccount.get(account) ?? new Map<MailboxId, Delivery>()
      byAccount.set(account, mailboxes.set(delivery.mailbox, delivery))
    }
    if (isSpilled(what.content))
      for (const account of byAccount.keys()) if (account !== what.content.account) await copySpilled(this.#pool, what.content, account)
    const settled = await Promise.allSettled([...byAccount.values()].map((mailboxes) => this.#toAccount(what, [...mailboxes.values()])))
    const failed = settled.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
    const landed = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    return {
      again: landed.filter(({ again }) => again).length,
      confirm: () => {
        if (what.attempt !== undefined) for (const release of landed) this.#releases.add(release)
      },
    }
  }

  /** One mailbox after the other: the first append writes the content, the others only refer to it. */
  async #toAccount(what: Message, deliveries: readonly Delivery[]): Promise<(Landed & Release)[]> {
    const landed: (Landed & Release)[] = []
    let stored = deliveries.some((delivery) => delivery.stored === true)
    for (const delivery of deliveries) {
      const { account } = delivery.to
      const op = what.attempt === undefined ? newOp() : opOf(what.attempt, delivery.knownBy ?? delivery.mailbox)
      const done = await this.#once(`${account}/${op}`, () => this.#toMailbox(what, delivery, { op, stored }))
      landed.push({ ...done, op, account, modseq: done.at.modseq })
      stored ||= !done.again
      if (!done.again) counts.delivered.all++
    }
    return landed
  }

  async #once(key: string, run: () => Promise<Done>): Promise<Done> {
    const running = this.#underWay.get(key)
    if (running) return { ...(await running), again: true }
    const started = run().finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, started)
    return started
  }

  async #toMailbox({ content, date }: Message, { to, mailbox, flags }: Delivery, { op, stored }: { op: OpId; stored: boolean }): Promise<Done> {
    const { account } = to
    const messages = [{ content, flags: systemFlags(flags), date, stored }]
    await this.#releases.settle({ account, op })
    try {
      return await this.#appender.append({ account, mailbox, messages }, op)
    } catch (err) {
      if (!(err instanceof MailboxGone)) throw err
      return this.#appender.append({ account, mailbox: await inboxOf(this.#pool, to), messages }, op)
    }
  }
}

const opOf = (attempt: string, mailbox: MailboxId): OpId => createHash('sha256').update(`${attempt} ${mailbox}`).digest('hex').slice(0, 32) as OpId

async function inboxOf(pool: Pool, { account }: AccountAccess): Promise<MailboxId> {
  let inbox: MailboxId | undefined
  await pool.rows(INBOX, [account], (row) => {
    inbox = row.int() as MailboxId
  })
  if (inbox === undefined) throw new MailboxGone(`account ${account satisfies AccountId} has no INBOX`)
  return inbox
}

/** Only system flags are set at delivery: keywords need the mailbox's state, and nothing that delivers sets any. */
function systemFlags(names: readonly string[]): typeof NO_FLAGS {
  return names.map(systemFlag).reduce((flags, bit) => (bit === undefined ? flags : union(flags, flagBit(bit))), NO_FLAGS)
}
