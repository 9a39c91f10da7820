/** A primary, a replica, and three sentinels that watch them, on loopback. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { redisServer, type TestRedis } from './redis.ts'

const FORM_MS = 20_000
const NAME = 'mail'

export interface TestSentinel {
  /** redis+sentinel://, naming all three. */
  readonly url: string
  readonly primary: TestRedis
  readonly replica: TestRedis
  readonly sentinels: readonly TestRedis[]
  close(): Promise<void>
}

export interface SentinelOptions {
  /** After how many milliseconds of silence the sentinels give the primary up. */
  readonly downAfter?: number
  /** Of the sentinels. */
  readonly password?: string
}

export async function testSentinel({ downAfter = 10_000, password }: SentinelOptions = {}): Promise<TestSentinel> {
  const started: TestRedis[] = []
  const start = async (...args: Parameters<typeof redisServer>): Promise<TestRedis> => {
    const one = await redisServer(...args)
    started.push(one)
    return one
  }
  const close = async (): Promise<void> => void (await Promise.all(started.map((one) => one.close())))
  try {
    const primary = await start({})
    const replica = await start({ options: ['--replicaof', '127.0.0.1', `${primary.port}`, '--repl-diskless-sync-delay', '0'] })
    const file = [
      `sentinel monitor ${NAME} 127.0.0.1 ${primary.port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${downAfter}`,
      `sentinel failover-timeout ${NAME} ${downAfter * 3}`,
      ...(password === undefined ? [] : [`requirepass ${password}`, `sentinel sentinel-pass ${password}`]),
    ].join('\n')
    const sentinels = await Promise.all([1, 2, 3].map(() => start({ options: ['--sentinel'], file: `${file}\n` })))
    for (const { port } of sentinels) await knowsAll(port, password)
    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')
    const url = `redis+sentinel://${hosts}/${NAME}${password === undefined ? '' : `?sentinel_password=${password}`}`
    return { url, primary, replica, sentinels, close }
  } catch (err) {
    await close()
    throw err
  }
}

/** Waits until a sentinel has heard of the replica and of both others. */
async function knowsAll(port: number, password: string | undefined): Promise<void> {
  const admin = new Redis({ host: '127.0.0.1', port, ...(password !== undefined && { password }), enableReadyCheck: false })
  admin.on('error', () => {})
  try {
    const end = performance.now() + FORM_MS
    for (;;) {
      const fields = (await admin.call('SENTINEL', 'MASTER', NAME)) as string[]
      const field = (name: string) => fields[fields.indexOf(name) + 1]
      if (field('num-slaves') === '1' && field('num-other-sentinels') === '2') return
      if (performance.now() > end) throw new Error('the sentinels do not find each other')
      await sleep(50)
    }
  } finally {
    admin.disconnect()
  }
}
