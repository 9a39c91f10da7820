import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../log.ts'
import { LEASE_RENEW_SECONDS, type Lease, type Leases } from '../store/lease.ts'
import { keepLease } from './login.ts'

const lease = { account: 1, mailbox: 1, epoch: 1, owner: 'x' } as unknown as Lease

function keeper(answers: (boolean | Error)[]) {
  const did: string[] = []
  const leases: Leases = {
    acquire: () => assert.fail(),
    async renew() {
      did.push('renew')
      const answer = answers.shift() ?? true
      if (answer instanceof Error) throw answer
      return answer
    },
    watch: () => () => {},
    async release() {
      did.push('release')
    },
  }
  return { did, release: keepLease(leases, lease, { log: silentLog(), lost: () => did.push('lost') }) }
}
const settle = (): Promise<void> => new Promise(setImmediate)

test('a lease is renewed until it is let go, once', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { did, release } = keeper([])
  for (let i = 0; i < 3; i++) {
    t.mock.timers.tick(LEASE_RENEW_SECONDS * 1000)
    await settle()
  }
  await release()
  await release()
  t.mock.timers.tick(LEASE_RENEW_SECONDS * 10_000)
  assert.deepEqual(did, ['renew', 'renew', 'renew', 'release'])
})

test('a lease that is somebody else’s is told; a database that is away is not', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { did, release } = keeper([new Error('away'), true, false])
  for (let i = 0; i < 3; i++) {
    t.mock.timers.tick(LEASE_RENEW_SECONDS * 1000)
    await settle()
  }
  assert.deepEqual(did, ['renew', 'renew', 'renew', 'lost'])
  await release()
})

test('a release that fails is nobody’s error', async () => {
  const leases: Leases = {
    acquire: () => assert.fail(),
    renew: async () => true,
    watch: () => () => {},
    release: () => Promise.reject(new Error('away')),
  }
  await keepLease(leases, lease, { log: silentLog(), lost: () => assert.fail() })()
})
