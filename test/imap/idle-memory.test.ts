/** What a session in IDLE keeps in the heap must not grow unnoticed; what it costs in all is measured by test/idle/idle.full.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { imapHouse, PASSWORD } from '../support/imap.ts'
import { WireClient } from '../support/wire-client.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

const WARM = 50
const MORE = 250
const AT_ONCE = 25
/** Bytes; the client's side of the connection included, TLS not. Measured: half of it. */
const BOUND = 46_000

test(`${MORE} sessions in IDLE keep less than ${BOUND} bytes each`, async (t) => {
  const house = await imapHouse(['ann'])
  const clients: WireClient[] = []
  try {
    await house.append('ann', 'INBOX', [{ text: 'a' }])
    const { port } = await house.serve({ limits: { sessionsPerAccount: 1 + WARM + MORE, keepAlive: 200, pollTime: 200 } })
    const open = async (): Promise<void> => {
      const client = await WireClient.connect(port)
      clients.push(client)
      await client.line()
      await client.command('a', `LOGIN ann@example.test "${PASSWORD}"`)
      await client.command('a', 'SELECT INBOX')
      client.send('a IDLE\r\n')
      assert.equal(await client.line(), '+ idling')
    }
    const openAll = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, open))
    }
    const used = async (): Promise<number> => {
      // What waits to be finalised goes with the second one.
      for (let i = 0; i < 2; i++) {
        await sleep(100)
        gc()
      }
      return process.memoryUsage().heapUsed
    }
    // One alone: its password is known from then on.
    await open()
    await openAll(WARM)
    const before = await used()
    await openAll(MORE)
    // Looked at and told that the server is still there: that leaves nothing either.
    for (const client of clients) while ((await client.line()) !== '* OK Still here');
    const each = ((await used()) - before) / MORE
    t.diagnostic(`${Math.round(each)} bytes each`)
    assert.ok(each > 1_000, `${each} bytes: nothing was measured`)
    assert.ok(each < BOUND, `${each} bytes`)
  } finally {
    for (const client of clients) client.destroy()
    await house.close()
  }
})
