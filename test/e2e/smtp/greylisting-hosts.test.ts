/** Greylisting as people run it: two servers, each a process with the config file's own words, one Postgres, and swaks from other networks. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashPassword } from '../../../src/auth/password.ts'
import { testDatabase } from '../../support/postgres.ts'
import { missing, run } from '../../support/programs.ts'
import { startServer, type TestServer } from '../../support/server.ts'

const skip = missing('swaks')
const servers: TestServer[] = []
const db = await testDatabase()
after(async () => {
  for (const server of servers) await server.close()
  await db.close()
})

const DELAY = 3

/** What swaks wrote and heard. */
async function swaks(server: TestServer, ip: string, to = 'ann@example.test'): Promise<string> {
  const { out, err } = await run('swaks', [
    ...['--server', '127.0.0.1', '--port', `${server.port('mx')}`, '--helo', 'sender.test', '--from', 'x@sender.test', '--to', to],
    ...['--proxy-family', 'TCP4', '--proxy-source', ip, '--proxy-source-port', '1025', '--proxy-dest', '192.0.2.25', '--proxy-dest-port', '25'],
  ])
  return `${out}${err}`
}

test('swaks is told to come again, comes to the other host from the host beside, and is let in', { skip, timeout: 60_000 }, async () => {
  const config = `hostname: mail.example.test
domains: [example.test]
mailboxes: [{ address: ann@example.test, password_hash: "${await hashPassword('secret')}" }]
workers: 1
generation: 1
http: { enabled: false }
proxy_protocol: { from: [127.0.0.1] }
dns: { servers: ["127.0.0.1:9"] }
inbound: { greylisting: { enabled: true, delay: ${DELAY} s } }
`
  servers.push(...(await Promise.all([1, 2].map(() => startServer({ config, env: { DATABASE_URL: db.url } })))))
  const [one, other] = servers as [TestServer, TestServer]
  const started = performance.now()
  assert.match(await swaks(one, '198.51.100.7'), /<\*\* 451 4\.7\.1 Greylisted: try again in [123] seconds/)
  if (performance.now() - started < DELAY * 1_000) assert.match(await swaks(other, '198.51.100.7'), /<\*\* 451 4\.7\.1 Greylisted/)
  assert.match(await swaks(one, '198.51.100.7', 'postmaster@example.test'), /<- {2}250 2\.0\.0 Accepted/)
  await sleep(DELAY * 1_000)
  assert.match(await swaks(other, '198.51.100.8'), /<- {2}250 2\.0\.0 Accepted/)
  assert.match(await swaks(one, '198.51.101.8'), /<\*\* 451 4\.7\.1 Greylisted/)
  assert.match(one.output, /"greylisted"|greylisted/)
})
