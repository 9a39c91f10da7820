/** A Redis Cluster of the tests' own on loopback: three primaries with a third of the slots each, and a replica of each. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort, redisServer, type TestRedis } from './redis.ts'

const PRIMARIES = 3
const SLOTS = 16_384
/** How long all may take to know each other. */
const FORM_MS = 20_000

export interface TestRedisCluster {
  /** redis+cluster://, naming two of the nodes. */
  readonly url: string
  /** Primaries first, as it was made. */
  readonly nodes: readonly TestRedis[]
  /** A connection to each node; none is a Cluster's client. */
  readonly admins: readonly Redis[]
  /** The node that has this key now, of those that live. */
  ownerOf(key: string): Promise<number>
  /** Empties all that live. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface ClusterOptions {
  /** After how many milliseconds of silence the nodes give one of them up. */
  readonly nodeTimeout?: number
}

export async function testRedisCluster({ nodeTimeout = 15_000 }: ClusterOptions = {}): Promise<TestRedisCluster> {
  const nodes: TestRedis[] = []
  const admins: Redis[] = []
  async function close(): Promise<void> {
    for (const admin of admins) admin.disconnect()
    await Promise.all(nodes.map((node) => node.close()))
  }
  try {
    const buses = await Promise.all(Array.from({ length: 2 * PRIMARIES }, freePort))
    const options = (bus: number) => [
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', `${nodeTimeout}`, '--cluster-port', `${bus}`],
      // A replica that was without its primary for long may take over all the same; and it gets its copy at once.
      ...['--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0', '--save', ''],
    ]
    nodes.push(...(await Promise.all(buses.map((bus) => redisServer({ options: options(bus) })))))
    admins.push(...nodes.map(({ port }) => new Redis({ port, host: '127.0.0.1', retryStrategy: () => 200, enableOfflineQueue: true })))
    for (const admin of admins) admin.on('error', () => {})
    await form(nodes, admins, buses)
  } catch (err) {
    await close()
    throw err
  }
  const [first, , third] = nodes
  return {
    url: `redis+cluster://127.0.0.1:${first!.port},127.0.0.1:${third!.port}`,
    nodes,
    admins,
    async ownerOf(key) {
      for (const admin of admins) {
        if (admin.status !== 'ready') continue
        const slot = Number(await admin.call('CLUSTER', 'KEYSLOT', key))
        for (const [from, to, [, port]] of (await admin.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][])
          if (slot >= from && slot <= to) return nodes.findIndex((node) => node.port === port)
      }
      throw new Error(`nobody has ${key}`)
    },
    async flush() {
      // A replica refuses.
      await Promise.all(admins.filter(({ status }) => status === 'ready').map((admin) => admin.flushall().catch(() => {})))
    },
    close,
  }
}

async function form(nodes: readonly TestRedis[], admins: readonly Redis[], buses: readonly number[]): Promise<void> {
  const each = <T>(ask: (admin: Redis, i: number) => Promise<T>): Promise<T[]> => Promise.all(admins.map(ask))
  await each((admin, i) => admin.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1))
  const edge = (i: number) => Math.ceil((i * SLOTS) / PRIMARIES)
  await Promise.all(admins.slice(0, PRIMARIES).map((admin, i) => admin.call('CLUSTER', 'ADDSLOTSRANGE', edge(i), edge(i + 1) - 1)))
  await each((admin, i) => Promise.all(nodes.slice(0, i).map(({ port }, j) => admin.call('CLUSTER', 'MEET', '127.0.0.1', port, buses[j]!))))
  const end = performance.now() + FORM_MS
  const soon = async (so: () => Promise<boolean>): Promise<void> => {
    while (!(await so())) {
      if (performance.now() > end) throw new Error('the Cluster does not form')
      await sleep(50)
    }
  }
  const ids = await each(async (admin) => `${await admin.call('CLUSTER', 'MYID')}`)
  await soon(async () =>
    (await each(async (admin) => `${await admin.call('CLUSTER', 'NODES')}`)).every((text) => ids.every((id) => text.includes(id))),
  )
  for (const [i, admin] of admins.slice(PRIMARIES).entries())
    await soon(() =>
      admin.call('CLUSTER', 'REPLICATE', ids[i]!).then(
        () => true,
        () => false,
      ),
    )
  await soon(async () => {
    const states = await each(async (admin) => `${await admin.call('CLUSTER', 'INFO')}`)
    const links = await Promise.all(admins.slice(PRIMARIES).map(async (admin) => `${await admin.info('replication')}`))
    return states.every((text) => text.includes('cluster_state:ok')) && links.every((text) => text.includes('master_link_status:up'))
  })
}
