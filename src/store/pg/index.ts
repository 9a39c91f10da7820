/** The store on Postgres: everything durable, behind the interfaces of store/*.ts. */
import type { Log } from '../../log.ts'
import type { Accounts } from '../accounts.ts'
import type { AcmeStore } from '../acme.ts'
import type { SigningKeys } from '../dkim.ts'
import type { Drivers } from '../drivers.ts'
import type { Greylist } from '../greylist.ts'
import type { Leases } from '../lease.ts'
import type { MailStore } from '../mailstore.ts'
import type { StsPolicies } from '../mta-sts.ts'
import type { Queue } from '../queue.ts'
import type { Reports } from '../reports.ts'
import type { TlsSessions } from '../tls-sessions.ts'
import { createAccounts } from './accounts.ts'
import { createAcmeStore } from './acme.ts'
import { startBackground } from './background.ts'
import { createSigningKeys } from './dkim.ts'
import { createGreylist } from './greylist.ts'
import { Guard } from './guard.ts'
import { createLeases, freeAllLeases } from './lease.ts'
import { Lives } from './lives.ts'
import { snapshotKey } from './load.ts'
import { createMailStore } from './mailstore.ts'
import { checkSettings, migrate } from './migrate.ts'
import { createStsPolicies } from './mta-sts.ts'
import { type Connect, Pool, type PoolState, type Session } from './pool.ts'
import { type QueueState, stateOf } from './queue/state.ts'
import { createReports } from './reports/index.ts'
import { createTlsSessions } from './tls-sessions.ts'

export type { Connect } from './pool.ts'

/** Connections of one process, unless it has to share with others. */
export const CONNECTIONS = 12
/** Beside them, for folding and reaping: work that may take long never holds up mail. */
export const BACKGROUND_CONNECTIONS = 2
/** How long what was expunged stays restorable, in seconds. */
export const RETENTION = 7 * 24 * 60 * 60

export interface OpenStoreOptions {
  readonly connect: Connect
  readonly drivers: Pick<Drivers, 'bus' | 'presence' | 'snapshots'>
  readonly log: Log
  /** Seconds; RETENTION if absent. */
  readonly retention?: number
  /** No other process works on this database: leases that are found belong to one that died. */
  readonly alone?: boolean
  /** At most so many; CONNECTIONS if absent. BACKGROUND_CONNECTIONS are beside them. */
  readonly connections?: number
  /** Whether users may see mailboxes of others that these share, and public ones; true if absent. */
  readonly sharing?: boolean | undefined
  /** Whether this process also does what one of a host's is enough for; true if absent. */
  readonly background?: boolean
  /** Where this host keeps what it knew of its database: see mark.ts. Several processes may name the same. None: only what this process sees itself counts. */
  readonly markFile?: string
}

export interface OpenStore {
  readonly store: MailStore
  readonly queue: Queue
  readonly signingKeys: SigningKeys
  readonly acme: AcmeStore
  readonly stsPolicies: StsPolicies
  readonly tlsSessions: TlsSessions
  readonly reports: Reports
  readonly greylist: Greylist
  readonly accounts: Accounts
  readonly leases: Leases
  /** From now on this process is the host's one that sweeps and reaps, or is not. */
  background(on: boolean): void
  /** The queue at a glance; of a long one it takes a while. Throws Unavailable. */
  queueState(): Promise<QueueState>
  /** Connections, by what they are for. */
  pools(): Record<'mail' | 'background', PoolState>
  /** Why this process may not work on the database as it is now, in words: it should take no new sessions. undefined: it may. */
  trouble(): string | undefined
  close(): Promise<void>
}

/** Connects, checks that this Postgres keeps what it acknowledges, migrates. Throws with a sentence for people. */
export async function openStore(o: OpenStoreOptions): Promise<OpenStore> {
  const { connect, drivers, log, retention = RETENTION, alone = false } = o
  const guard = new Guard({ log, markFile: o.markFile, alone })
  await guard.open()
  const first = new Pool({ connect, max: 1, log })
  try {
    await checkSettings(first)
    await migrate(first, log)
  } finally {
    await first.close()
  }
  const lives = new Lives()
  const opened = (session: Session): Promise<void> => lives.hold(session)
  const pool = new Pool({ connect, max: o.connections ?? CONNECTIONS, log, admission: guard, opened, keepsOne: true })
  try {
    // The first connection that the guard lets pass.
    await guard.tick(pool)
    if (alone) await freeAllLeases(pool)
  } catch (err) {
    await pool.close()
    throw err
  }
  guard.watch(pool)
  const slow = new Pool({ connect, max: BACKGROUND_CONNECTIONS, log, admission: guard, opened })
  const expire = (goOn: () => boolean) => store.expireHidden(slow, goOn)
  const background = startBackground({ pool: slow, retention, log, sweeps: o.background ?? true, expire })
  const cache = { snapshots: drivers.snapshots, key: await snapshotKey(pool) }
  const accounts = createAccounts(pool, drivers.bus, (account, why) => drivers.presence.kick(account, why))
  guard.onChange(
    () => void accounts.again().catch((err: unknown) => log.warn({ err }, 'the mailboxes of the config could not be applied to this database')),
  )
  const onPoison = (err: unknown, content: bigint) =>
    log.error({ err, content: String(content) }, 'a message could not be taken apart: it is kept as it is')
  const store = createMailStore({ pool, bus: drivers.bus, cache, guard, moved: background.moved, sharing: o.sharing ?? true, lives, onPoison })
  return {
    store,
    queue: store.queue,
    signingKeys: createSigningKeys(pool),
    acme: createAcmeStore(pool),
    stsPolicies: createStsPolicies(pool),
    tlsSessions: createTlsSessions(pool),
    reports: createReports(pool, lives),
    greylist: createGreylist(pool, log),
    accounts,
    leases: createLeases(pool, { lives }),
    background: (on) => background.sweeps(on),
    queueState: () => stateOf(slow),
    pools: () => ({ mail: pool.state, background: slow.state }),
    trouble: () => guard.trouble,
    async close() {
      // Releases of deliveries are a convenience: without a database they are lost, and that is all.
      await store.close().catch((err: unknown) => log.debug({ err }, 'releases of deliveries were lost'))
      await background.stop()
      await guard.close(pool)
      await Promise.all([pool.close(), slow.close()])
    },
  }
}
