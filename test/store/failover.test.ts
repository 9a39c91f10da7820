/** Fail-over with two real Postgres: nothing that was announced ever means something else afterwards, and with a synchronous replica nothing is lost. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Log, silentLog } from '../../src/log.ts'
import type { AccountAccess, MailboxAccess } from '../../src/store/access.ts'
import { Unavailable } from '../../src/store/errors.ts'
import type { SelectedMailbox } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { type OpenStore, openStore } from '../../src/store/pg/index.ts'
import { type Pair, primaryAndReplica } from '../support/replica.ts'
import { stage, unwatched } from '../support/store.ts'

/** The words of warnings and errors. */
function listening(): { log: Log; said: string[] } {
  const said: string[] = []
  const note = (_: unknown, words?: string) => void said.push(words ?? String(_))
  const log = { ...silentLog(), warn: note, error: note } as unknown as Log
  return { log, said }
}

interface House {
  readonly opened: OpenStore
  readonly anna: AccountAccess
  readonly inbox: MailboxAccess
  readonly said: string[]
  deliver(subject: string): Promise<void>
  close(): Promise<void>
}

/** A process with a store; `name` is whose mailbox the test is about. */
async function house(url: string, name = 'anna'): Promise<House> {
  const drivers = createMemoryDrivers()
  const { log, said } = listening()
  const opened = await openStore({ connect: { url }, drivers, log })
  const { accounts, store } = opened
  await accounts.reconcile({
    domains: ['example.test'],
    accounts: ['anna', 'ben'].map((who) => ({
      address: `${who}@example.test`,
      aliases: [],
      passwordHash: '$argon2id$none',
    })),
  })
  const anna = accounts.grant((await accounts.login(`${name}@example.test`))!)
  const inbox = await store.open(anna, 'INBOX', true)
  return {
    ...{ opened, anna, inbox, said },
    async deliver(subject) {
      const content = await stage(store, anna, Buffer.from(`Subject: ${subject}\r\n\r\n${subject}\r\n`))
      await store.deliver(content, 1, [{ to: anna, mailbox: inbox.mailbox, flags: [] }])
    },
    async close() {
      await opened.close()
      await drivers.close()
    },
  }
}

/** What a mail program keeps of a mailbox: what each UID is and its flags, as it was told. It asks for what changed since, as QRESYNC clients do. */
class Reader {
  readonly uids = new Map<number, string>()
  readonly flags = new Map<number, number>()
  /** Whatever a UID was ever said to be. */
  readonly announced = new Map<string, string>()
  modseq = 0
  uidvalidity = 0

  async pull(house: House): Promise<void> {
    const { store } = house.opened
    await using selected: SelectedMailbox = await store.select(house.inbox, unwatched)
    const { index } = selected
    if (index.uidvalidity !== this.uidvalidity) {
      this.uids.clear()
      this.flags.clear()
      this.modseq = 0
      this.uidvalidity = index.uidvalidity
    }
    assert.ok(index.modseq >= this.modseq, `modseq fell from ${this.modseq} to ${index.modseq}`)
    const there = new Set<number>()
    for (const segment of index.segments)
      for (let row = 0; row < segment.count; row++) {
        const uid = segment.uids[row]!
        there.add(uid)
        if (segment.modseqs[row]! <= this.modseq) continue
        this.flags.set(uid, segment.lo[row]!)
        const subject = await this.#subject(house, segment.contents[row]!)
        const name = `${index.uidvalidity}/${uid}`
        assert.equal(this.announced.get(name) ?? subject, subject, `UID ${name} names other bytes`)
        this.announced.set(name, subject)
        this.uids.set(uid, subject)
      }
    for (const uid of this.uids.keys()) if (!there.has(uid)) this.#forget(uid)
    this.modseq = index.modseq
  }

  #forget(uid: number): void {
    this.uids.delete(uid)
    this.flags.delete(uid)
  }

  async #subject({ opened, anna }: House, content: bigint): Promise<string> {
    for await (const row of opened.store.contents(anna, [content as never], ['header'])) return /Subject: (.*)\r/.exec(row.header!.toString())![1]!
    return ''
  }
}

async function truth(house: House): Promise<[number, string, number][]> {
  const reader = new Reader()
  await reader.pull(house)
  return [...reader.uids].map(([uid, subject]) => [uid, subject, reader.flags.get(uid)!])
}
const seen = (reader: Reader) => [...reader.uids].sort(([a], [b]) => a - b).map(([uid, subject]) => [uid, subject, reader.flags.get(uid)!])

let pair: Pair
before(async () => {
  pair = await primaryAndReplica()
})
after(async () => {
  await pair?.close()
})

describe('a synchronous replica is promoted', () => {
  let home: House
  before(async () => {
    home = await house(pair.url)
  })
  after(async () => {
    await home?.close()
  })

  test('nothing that was acknowledged is lost, what was in doubt is done once', async () => {
    await pair.synchronous(true)
    const acknowledged = new Set<string>()
    let killed = false
    const senders = Array.from({ length: 6 }, async (_, sender) => {
      for (let n = 0; n < 400 && !(killed && n % 20 === 0 && acknowledged.size > 200); n++) {
        const subject = `${sender}.${n}`
        await home.deliver(subject).then(
          () => acknowledged.add(subject),
          (err: unknown) => assert.ok(err instanceof Unavailable, String(err)),
        )
      }
    })
    while (acknowledged.size < 100) await new Promise((resolve) => setTimeout(resolve, 5))
    await pair.primary.stop('SIGKILL')
    killed = true
    await pair.promote()
    await pair.replica.query("alter system set synchronous_standby_names = ''")
    await pair.replica.query('select pg_reload_conf()')
    await Promise.all(senders)
    const stored = (await truth(home)).map(([, subject]) => subject)
    assert.deepEqual(
      [...acknowledged].filter((subject) => !stored.includes(subject)),
      [],
      'acknowledged and not there',
    )
    assert.equal(new Set(stored).size, stored.length, 'stored twice')
    assert.equal(home.said.filter((words) => words.includes('A new incarnation begins')).length, 1)
  })
})

describe('an asynchronous replica that lags is promoted', () => {
  let home: House
  let other: House
  const reader = new Reader()
  before(async () => {
    await pair.rejoin()
    home = await house(pair.url, 'ben')
    other = await house(pair.url, 'ben')
  })
  after(async () => {
    await home?.close()
    await other?.close()
  })

  test('the tail is lost and said to be; no UID or modseq is used again; readers converge, sessions too', async (t) => {
    const { store } = home.opened
    // The fail-over of before was a leap.
    const base = (await store.status(home.inbox)).uidnext - 1
    for (const n of [1, 2, 3]) await home.deliver(`kept ${n}`)
    await store.create(home.anna, 'kept')
    await pair.caughtUp()
    await pair.cut()
    let changes = 0
    let gone = 0
    const session = await store.select(home.inbox, { changed: () => changes++, gone: () => gone++ })
    let ended = 0
    const told = await store.select(home.inbox, { changed() {}, gone: () => ended++ })
    for (const n of [1, 2, 3, 4]) await home.deliver(`lost ${n}`)
    await store.flags(home.inbox, [base + 1, base + 1], { mode: 'add', names: ['\\Flagged', 'lostword'] })
    session.view.pull({ expunges: true })
    await store.expunge(home.inbox, { uids: [base + 2, base + 2], deletedOnly: false })
    await store.create(home.anna, 'lost')
    const lease = await home.opened.leases.acquire(home.inbox)
    await reader.pull(home)
    told.view.pull({ expunges: true })
    assert.deepEqual([session.view.exists, told.view.exists, reader.uids.size, reader.flags.get(base + 1)], [7, 6, 6, 2 | 32])
    const before = await store.status(home.inbox)

    await pair.primary.stop('SIGKILL')
    const started = performance.now()
    const sending = home.deliver('sent while nobody was there')
    await pair.promote()
    await sending
    t.diagnostic(`a delivery that began with the primary dead was taken ${Math.round(performance.now() - started)} ms later`)
    await Promise.all([1, 2, 3].map((n) => (n % 2 ? home : other).deliver(`after ${n}`)))

    assert.deepEqual(
      [home, other].map(({ said }) => said.filter((words) => words.includes('A new incarnation begins')).length).sort(),
      [0, 1],
      'one of the two announced it, once',
    )
    const status = await store.status(home.inbox)
    assert.equal(status.uidvalidity, before.uidvalidity)
    assert.ok(status.modseq > before.modseq && status.uidnext > before.uidnext + 90_000, JSON.stringify([before, status]))
    await reader.pull(home)
    assert.deepEqual(seen(reader), await truth(home))
    assert.deepEqual(seen(reader), await truth(other))
    assert.deepEqual([reader.uids.get(base + 2), reader.flags.get(base + 1), reader.uids.size], ['kept 2', 0, 7])

    // The session that looked at the lost messages is told that they went, and of every flag.
    await session.refresh('now')
    const news = session.view.pull({ expunges: true })
    assert.deepEqual(
      news.expunged.map(({ uid }) => uid),
      [7, 6, 5, 4].map((n) => base + n),
    )
    assert.ok(changes > 0 && gone === 0)
    assert.equal(news.exists, 7)
    assert.ok(news.flags.some(({ segment, row }) => segment.uids[row] === base + 1 && segment.lo[row] === 0))
    // One that was told of an expunge cannot be told that it did not happen.
    assert.equal(ended, 1)
    await session.close()
    await told.close()

    // Ids that went with the tail are not given again, and whoever held a maildrop holds it no more.
    assert.ok((await store.create(home.anna, 'new')).id > 100)
    assert.equal(await home.opened.leases.renew(lease), false)
  })

  test('the old primary comes back alone, as it was: it is taken for what it is, a database that lost everything since', async () => {
    const { store } = home.opened
    let gone = 0
    const session = await store.select(home.inbox, { changed() {}, gone: () => gone++ })
    const before = await store.status(home.inbox)
    await pair.replica.stop('SIGKILL')
    await pair.primary.start()
    const after = await store.status(home.inbox)
    // Nobody can say how much was lost: the fork is older than what was seen.
    assert.ok(after.uidvalidity > before.uidvalidity && after.modseq > before.modseq)
    assert.match([...home.said, ...other.said].join('\n'), /never had incarnation 3.*UIDVALIDITY is a new one/)
    await reader.pull(home)
    assert.deepEqual(seen(reader), await truth(home))
    assert.deepEqual(
      [...reader.uids.values()].filter((subject) => subject.startsWith('after')),
      [],
    )
    await session.refresh('now').catch(() => {})
    assert.equal(gone, 1, 'the session that has it selected is closed')
    await session.close()
  })

  test('a Postgres that does not say which one it is: said once, and beats are kept', async () => {
    await pair.primary.query('revoke execute on function pg_control_system() from public')
    const plain = await house(pair.url, 'ben')
    try {
      await plain.deliver('plain')
    } finally {
      await plain.close()
    }
    assert.equal(plain.said.filter((words) => words.includes('does not say its system identifier')).length, 1, plain.said.join('\n'))
    const [row] = await pair.primary.query('select beat::int, mark from server')
    assert.ok((row!['beat'] as number) > 0)
    assert.match(String(row!['mark']), /^\d+\//, 'what was known of it stays')
  })
})
