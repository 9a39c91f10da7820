/**
 * Three clients (plain, CONDSTORE, QRESYNC) and the background work do whatever comes to mind to one mailbox, one after the other, beside the simplest model of it. No
 * sequence number is wrong, no change is lost, no modseq is another than predicted, and who comes back with its cursor has the truth. SEED=n plays one sequence.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { silentLog } from '../../src/log.ts'
import { foldMailbox } from '../../src/store/pg/fold.ts'
import { Pool } from '../../src/store/pg/pool.ts'
import { trimLog } from '../../src/store/pg/trim.ts'
import { type ImapHouse, imapHouse } from '../support/imap.ts'
import { seeded } from '../support/random.ts'
import { comeBack, KEYWORDS, READS, WRITES } from './model/acts.ts'
import { ModelClient } from './model/client.ts'
import { Truth } from './model/truth.ts'

const SEEDS = process.env['SEED'] ? [Number(process.env['SEED'])] : Array.from({ length: 10 }, (_, i) => i + 1)
const STEPS = Number(process.env['STEPS'] ?? 1_000)

let house: ImapHouse
let pool: Pool
before(async () => {
  house = await imapHouse(SEEDS.map((seed) => `user${seed}`))
  pool = new Pool({ connect: house.connect, max: 2, log: silentLog() })
})
after(async () => {
  await pool.close()
  await house.close()
})

describe('a mailbox and its model', { concurrency: true }, () => {
  for (const seed of SEEDS)
    test(`SEED=${seed}`, { timeout: 240_000 }, async () => {
      const steps: string[] = []
      try {
        await play(seed, steps)
      } catch (error) {
        throw new Error(`SEED=${seed}, step ${steps.length}: ${steps.slice(-6).join(', ')}`, { cause: error })
      }
    })
})

async function play(seed: number, steps: string[]): Promise<void> {
  const random = seeded(seed)
  const user = `user${seed}`
  const truth = new Truth()
  await house.append(
    user,
    'INBOX',
    Array.from({ length: 20 }, () => ({ text: 'ab' })),
  )
  truth.append([], 20)
  const inbox = await house.store.open(await house.access(user), 'INBOX', true)
  // A keyword that is new to the mailbox would be a change of its own.
  await house.store.flags(inbox, [1, 1], { mode: 'add', names: KEYWORDS })
  truth.store([1], 'add', KEYWORDS)
  // All in one process, or in two that do not hear each other and know it.
  const apart = seed % 2 === 1
  const servers = [await house.serve({ apart }), ...(apart ? [await house.serve({ apart })] : [])]
  const at = (n: number) => ({ truth, user, server: { port: servers[n % servers.length]!.port, apart } })
  const clients = [
    new ModelClient('plain', at(0)),
    new ModelClient('condstore', at(1)),
    new ModelClient('qresync', at(1)),
    new ModelClient('qresync', at(0)),
  ]
  while (steps.length < STEPS) {
    const client = clients[random(clients.length)]!
    const scene = { truth, random }
    if (random(25) === 0) {
      steps.push('fold')
      await foldMailbox(pool, inbox)
      // So little of the log is kept that who was away may stand below it.
      if (random(3) > 0) await trimLog(pool, inbox, random(8))
    } else if (!client.isConnected) {
      // Away long enough to miss something.
      if (random(4) > 0) continue
      steps.push(`${clients.indexOf(client)} comes back`)
      await comeBack(client, scene)
    } else if (client.isIdling) {
      steps.push(`${clients.indexOf(client)} done`)
      if (random(6) === 0) client.drop()
      else await client.done()
    } else {
      const acts = client.readOnly || random(5) < 2 ? READS : WRITES
      const act = acts[random(acts.length)]!
      steps.push(`${clients.indexOf(client)} ${act.name}`)
      await act(client, scene)
    }
  }
  for (const client of clients) {
    if (client.isIdling) await client.done()
    if (!client.isConnected) await comeBack(client, { truth, random })
    await client.command('NOOP', 'all')
    client.agree('all')
    client.drop()
  }
  assert.deepEqual((await house.store.status(inbox)).exists, truth.messages.size)
}
