/** LOGIN-DELAY over two services that share one throttle, as two processes share Redis. RFC 2449 §6.5. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Listener } from '../../../src/net/listener.ts'
import { Client, type House, PASSWORD, pop3House, quit } from './harness.ts'

let house: House
let hosts: Listener[]
before(async () => {
  house = await pop3House({ anna: { loginDelay: 2 }, ben: 'client', carl: { loginDelay: 40 } })
  hosts = [await house.serve(), await house.serve()]
})
after(() => house.close())

const tooEarly = /^-ERR \[LOGIN-DELAY\] The next login may come in [12] seconds$/

test('the delay of one host holds at the other, until it is over; the maildrop stays free', async () => {
  const [one, other] = hosts as [Listener, Listener]
  const first = await Client.login(house, one, 'anna')
  const from = performance.now()
  await quit(first)
  for (const host of [other, one]) {
    const client = await Client.connect(house, host)
    await client.ok('USER anna@example.test')
    await client.err(`PASS ${PASSWORD}`, tooEarly)
    await client.ok('USER ben@example.test')
    await client.ok(`PASS ${PASSWORD}`)
    await quit(client)
  }
  await sleep(2000 - (performance.now() - from) + 50)
  await quit(await Client.login(house, other, 'anna'))
})

test('ten logins at once: one gets in', async () => {
  const replies = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => {
      const client = await Client.connect(house, hosts[i % 2]!)
      await client.ok('USER carl@example.test')
      const reply = await client.command(`PASS ${PASSWORD}`)
      if (reply.startsWith('+OK')) await quit(client)
      client.drop()
      return reply
    }),
  )
  assert.equal(replies.filter((reply) => reply.startsWith('+OK')).length, 1, `${replies}`)
  for (const reply of replies) assert.match(reply, /^(\+OK|-ERR \[(LOGIN-DELAY|IN-USE)\]) /)
})

test('CAPA says the longest before login, and this user’s own after it', async () => {
  const client = await Client.connect(house, hosts[0]!)
  assert.ok((await client.list('CAPA')).includes('LOGIN-DELAY 40 USER'))
  await client.ok('USER ben@example.test')
  await client.ok(`PASS ${PASSWORD}`)
  assert.ok(!(await client.list('CAPA')).some((line) => line.startsWith('LOGIN-DELAY')))
  await quit(client)
})
