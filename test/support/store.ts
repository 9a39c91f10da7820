/** A store on a database of its own, with two accounts. */
import { silentLog } from '../../src/log.ts'
import type { AccountAccess } from '../../src/store/access.ts'
import type { MailboxWatcher, MailStore, StagedContent } from '../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../src/store/memory/index.ts'
import { type Connect, type OpenStore, openStore } from '../../src/store/pg/index.ts'
import { type TestDatabase, testDatabase } from './postgres.ts'

export interface TestStore extends OpenStore {
  readonly db: TestDatabase
  readonly drivers: ReturnType<typeof createMemoryDrivers>
  readonly anna: AccountAccess
  /** Has a quota of 2,000,000 octets. */
  readonly ben: AccountAccess
}

/** `through`: how the store itself reaches the database, where that is not the straight way. */
export async function testStore(through: (db: TestDatabase) => Promise<Connect> = async (db) => db.connect): Promise<TestStore> {
  const db = await testDatabase()
  const drivers = createMemoryDrivers()
  const opened = await openStore({ connect: await through(db), drivers, log: silentLog() })
  const { accounts } = opened
  await accounts.reconcile({
    domains: ['example.test'],
    accounts: ['anna', 'ben'].map((name) => ({
      address: `${name}@example.test`,
      aliases: [],
      passwordHash: '$argon2id$none',
      quota: name === 'ben' ? 2_000_000 : undefined,
    })),
  })
  const grant = async (name: string) => accounts.grant((await accounts.login(`${name}@example.test`))!)
  return {
    ...opened,
    db,
    drivers,
    anna: await grant('anna'),
    ben: await grant('ben'),
    async close() {
      await opened.close()
      await drivers.close()
      await db.close()
    },
  }
}

/** The octets in pieces of `step`. */
export async function stage(store: MailStore, a: AccountAccess, bytes: Buffer, step = 1 << 16): Promise<StagedContent> {
  const into = store.stage(a, 60_000_000)
  for (let at = 0; at < bytes.length; at += step) await into.write(bytes.subarray(at, at + step))
  return into.finish()
}

export const unwatched: MailboxWatcher = { changed() {}, gone() {} }
