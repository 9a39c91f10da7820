/** The mailbox verbs on Postgres: each stands in the file of its name; here they are put together. */
import type { MailboxAccess } from '../access.ts'
import type { Bus } from '../bus.ts'
import { Refusal, Unavailable } from '../errors.ts'
import type { Appended, Copied, MailStore, NewMessage, StagedContent } from '../mailstore.ts'
import type { Queue } from '../queue.ts'
import { namesWithin } from '../rights.ts'
import type { AccountId, MailboxId } from '../types.ts'
import { countUids } from '../uidset.ts'
import { changeAcl, grantableRights, listAcl } from './acl.ts'
import { Appender, type AppendItem, MailboxGone } from './append.ts'
import { copySpilled, crlfGains, readContents, readRange, withoutBlankLine } from './contents.ts'
import { transfer } from './copy.ts'
import { Deliveries } from './deliver.ts'
import { expunge } from './expunge.ts'
import { storeFlags } from './flags.ts'
import type { Guard } from './guard.ts'
import { expireHidden } from './hidden.ts'
import { Indexes } from './indexes.ts'
import { flagsFor } from './keywords.ts'
import { isSpilled } from './land.ts'
import type { Lives } from './lives.ts'
import type { SnapshotCache } from './load.ts'
import { settleMaildrop } from './maildrop.ts'
import { readMetadata, readVersions, writeMetadata } from './metadata.ts'
import { listSubscriptions, subscribeMailbox } from './names.ts'
import { createPlaces } from './places.ts'
import type { Pool, Queryable } from './pool.ts'
import { importedUidls } from './pop-uidl.ts'
import { createQueue } from './queue/index.ts'
import { overQuota, quotaOf, roomFor } from './quota.ts'
import { replace } from './replace.ts'
import { selectMailbox } from './select.ts'
import { SentCopies } from './sent/file.ts'
import { appendMerged, type CopyKeys, copyKeys } from './sent/merge.ts'
import { mayRead, permit, permitToWrite } from './sharing.ts'
import { expungedSince } from './since.ts'
import { Stage, type Staged, type StageOptions } from './stage.ts'
import { stagedText } from './staged.ts'
import { mailboxStatus, mailboxStatuses } from './status.ts'
import { narrowTexts } from './text-narrow.ts'
import { Transactor } from './tx.ts'
import { watchAccount } from './watch.ts'
import type { StateWriter } from './write.ts'

export interface PgMailStore extends MailStore {
  readonly queue: Queue
  /** In the background, asking on `on`: expunges what POP3 hid long enough ago. How many. */
  expireHidden(on: Queryable, goOn: () => boolean): Promise<number>
  close(): Promise<void>
}

export interface MailStoreParts {
  readonly pool: Pool
  readonly bus: Bus
  readonly cache: SnapshotCache
  /** Absent: this database is always the same. */
  readonly guard?: Guard
  /** Hears of every mailbox whose log this store makes longer. */
  readonly moved?: (account: AccountId, mailbox: MailboxId) => void
  /** Whether mailboxes of others may be had; true if absent. */
  readonly sharing?: boolean
  /** None: no other process can see whether this one lives. */
  readonly lives?: Lives | undefined
  /** Hears of a message that could not be taken apart. */
  readonly onPoison?: StageOptions['onPoison']
}

/** A verb that hands out so many UIDs at once answers when a beat has noted how far the log came: what may be lost unseen stays below UID_LEAP. */
export const MANY_UIDS = 10_000

export function createMailStore({ pool, bus, cache, guard, moved, sharing = true, lives, onPoison }: MailStoreParts): PgMailStore {
  const indexes = new Indexes(pool, bus, cache, guard)
  guard?.onChange(() => indexes.renew())
  const noted = async (copied: Copied): Promise<Copied> => {
    if (guard && countUids(copied.to) >= MANY_UIDS) await guard.tick(pool)
    return copied
  }
  /** What takes several transactions is acknowledged only if none of them was lost with an incarnation that ended meanwhile. */
  const within = async <T>(work: Promise<T>, before = guard?.incarnation): Promise<T> => {
    const result = await work
    if (guard?.incarnation !== before) throw new Unavailable('the database failed over meanwhile, and part of this may be lost: send it again')
    return result
  }
  const prover = guard && { key: cache.key, known: guard }
  const transactor = new Transactor({ pool, bus, moved, committed: () => guard?.wrote(), prover })
  const appender = new Appender({ pool, transactor, indexes })
  const deliveries = new Deliveries(pool, appender)
  const queue = createQueue({ pool, bus, transactor, lives })
  const writer = { transactor, indexes }
  const copies = new SentCopies(pool, writer)
  return {
    queue,
    ...createPlaces({ pool, writer, sharing }),
    subscriptions: (a) => listSubscriptions(pool, a.account),
    subscribe: (a, name, on) => subscribeMailbox(transactor, a, name, on),
    metadata: (a, on, query) => readMetadata(pool, a, on, query),
    metadataVersions: (a, on) => readVersions(pool, a, on),
    setMetadata: (a, of, change) => writeMetadata(transactor, a, of, change),
    acl: (m) => listAcl(pool, m),
    changeAcl: (m, identifier, change) => changeAcl(transactor, m, identifier, change),
    grantable: (m, identifier) => grantableRights(pool, m, identifier),
    status: (m, want) => mailboxStatus({ pool, indexes }, m, want),
    statuses: (a, mailboxes, want) => mailboxStatuses({ pool, indexes }, { a, mailboxes }, want),
    quota: (a) => quotaOf(pool, a.account),
    watch: (a, mailboxes, heard) => watchAccount(bus, a, mailboxes, heard),
    select: (m, watcher) => selectMailbox({ pool, bus, indexes }, m, watcher),
    stage: (a, maxSize) => new Stage(pool, a, { maxSize, ...(onPoison && { onPoison }) }),
    staged: (content) => stagedText(pool, asStaged(content)),
    append: (m, messages) => append({ pool, writer, appender }, m, messages),
    async replace(from, uid, to, message) {
      await permitToWrite(pool, from, 't', 'e')
      const { item, keys } = await appendItem({ pool, writer }, to, [message])
      return replace(writer, { from, uid, to, item, keys })
    },
    deliver: (content, date, to, attempt) => {
      const done = deliveries.deliver({ content: asStaged(content), date, attempt }, to)
      return to.length > 1 ? within(done) : done
    },
    prepareSent: (a, octets) => copies.prepare(a, octets),
    fileSent: (a, copy, attempt) => copies.file(a, { ...copy, content: asStaged(copy.content) }, attempt),
    async flags(m, uids, op) {
      await permitToWrite(pool, m)
      return storeFlags(writer, m, uids, op)
    },
    async expunge(m, op) {
      await permitToWrite(pool, m, 'e')
      return expunge(writer, m, op)
    },
    async settleMaildrop(m, op) {
      // What a policy says is said of its user's mail, and moves it within that account.
      if (!m.own) throw m.refusal()
      m.needToWrite()
      const settled = await settleMaildrop(writer, m, op)
      if (settled.moved >= MANY_UIDS) await guard?.tick(pool)
      return settled
    },
    async expungedSince(m, since, until) {
      await permit(pool, m, 'r')
      return expungedSince(pool, m, since, until)
    },
    async copy(from, uids, to) {
      await permit(pool, from, 'r')
      await permitToWrite(pool, to, 'i')
      return transfer({ pool, writer }, { from, to, uids, move: false }).then(noted)
    },
    async move(from, uids, to) {
      await permitToWrite(pool, from, 'r', 't', 'e')
      await permitToWrite(pool, to, 'i')
      return transfer({ pool, writer }, { from, to, uids, move: true }).then(noted)
    },
    contents: (a, ids, want) => readContents(pool, a, ids, want),
    narrow: (a, ids, probes) => narrowTexts(pool, a, ids, probes),
    async crlfGains(a) {
      await mayRead(pool, a)
      return crlfGains(pool, a.account)
    },
    async withoutBlankLine(a, after) {
      await mayRead(pool, a)
      return withoutBlankLine(pool, a.account, after)
    },
    importedUidls: (a) => importedUidls(pool, a.account),
    expireHidden: (on, goOn) => expireHidden(on, writer, goOn),
    read: (a, id, from, to) => readRange(pool, a, id, { from, to }),
    async close() {
      indexes.close()
      await deliveries.close()
      await queue.close()
      await copies.close()
    },
  }
}

/** What `stage` gave out comes back as it was. */
function asStaged(content: StagedContent): Staged {
  if (!('envelope' in content)) throw new TypeError('the content was not staged by this store')
  return content as Staged
}

/** What is to be appended, once it may be; `keys` where copies of it may be there already. */
async function appendItem(
  { pool, writer }: { pool: Pool; writer: StateWriter },
  m: MailboxAccess,
  messages: readonly NewMessage[],
): Promise<{ readonly item: AppendItem; readonly keys: CopyKeys | undefined }> {
  await permitToWrite(pool, m, 'i')
  const { fits, isForSent } = await roomFor(
    pool,
    m,
    messages.reduce((sum, message) => sum + message.content.size, 0),
  )
  const merges = isForSent && m.own
  if (!fits && !merges) throw overQuota()
  const rows = []
  for (const { content, flags, internalDate } of messages) {
    const staged = asStaged(content)
    // Staged by whoever appends, in an account of its own: its chunks go along.
    if (isSpilled(staged) && staged.account !== m.account) await copySpilled(pool, staged, m.account)
    rows.push({ content: staged, flags: await flagsFor(writer, m, namesWithin(m.rights, flags)), date: internalDate })
  }
  const item = { account: m.account, mailbox: m.mailbox, messages: rows }
  const keys = merges ? await copyKeys(pool, item) : undefined
  if (!fits && !keys) throw overQuota()
  return { item, keys }
}

async function append(
  { pool, writer, appender }: { pool: Pool; writer: StateWriter; appender: Appender },
  m: MailboxAccess,
  messages: readonly NewMessage[],
): Promise<Appended> {
  const { item, keys } = await appendItem({ pool, writer }, m, messages)
  if (keys) return appendMerged(writer, m, { item, keys })
  try {
    return (await appender.append(item)).at
  } catch (err) {
    throw err instanceof MailboxGone ? new Refusal('nonexistent', 'the mailbox was deleted') : err
  }
}
