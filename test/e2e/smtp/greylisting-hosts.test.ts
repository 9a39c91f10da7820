/** Greylisting as people run it: two servers, each a process with the config file's own words, one Postgres, and swaks from other networks. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { hashPassword } from '../../../src/auth/password.ts'
import { silentLog } from '../../../src/log.ts'
import { Pool } from '../../../src/store/pg/pool.ts'
import { testDatabase } from '../../support/postgres.ts'
import { missing, run } from '../../support/programs.ts'
import { startServer, type TestServer } from '../../support/server.ts'

const skip = missing('swaks')
const servers: TestServer[] = []
const db = await testDatabase()
const pool = new Pool({ connect: db.connect, max: 1, log: silentLog() })
after(async () => {
  for (const server of servers) await server.close()
  await pool.close()
  await db.close()
})

/** What swaks wrote and heard. */
async function swaks(server: TestServer, ip: string, to = 'ann@example.test'): Promise<string> {
  const { out, err } = await run('swaks', [
    ...['--server', '127.0.0.1', '--port', `${server.port('mx')}`, '--helo', 'sender.test', '--from', 'x@sender.test', '--to', to],
    ...['--proxy-family', 'TCP4', '--proxy-source', ip, '--proxy-source-port', '1025', '--proxy-dest', '192.0.2.25', '--proxy-dest-port', '25'],
  ])
  return `${out}${err}`
}

test('swaks is told to come again, comes to the other host from the host beside, and is let in', { skip, timeout: 120_000 }, async () => {
  const config = `hostname: mail.example.test
domains: [example.test]
mailboxes: [{ address: ann@example.test, password_hash: "${await hashPassword('secret')}" }]
workers: 1
generation: 1
http: { enabled: false }
proxy_protocol: { from: [127.0.0.1] }
dns: { servers: ["127.0.0.1:9"] }
inbound: { greylisting: { enabled: true } }
`
  servers.push(...(await Promise.all([1, 2].map(() => startServer({ config, env: { DATABASE_URL: db.url } })))))
  const [one, other] = servers as [TestServer, TestServer]
  assert.match(await swaks(one, '198.51.100.7'), /<\*\* 451 4\.7\.1 Greylisted: try again in 300 seconds/)
  assert.match(await swaks(other, '198.51.100.7'), /<\*\* 451 4\.7\.1 Greylisted/)
  assert.match(await swaks(one, '198.51.100.7', 'postmaster@example.test'), /<- {2}250 2\.0\.0 Accepted/)
  await pool.rows({ name: '', text: "update greylist set first_try = first_try - interval '5 min'" }, [])
  assert.match(await swaks(other, '198.51.100.8'), /<- {2}250 2\.0\.0 Accepted/)
  assert.match(await swaks(one, '198.51.101.8'), /<\*\* 451 4\.7\.1 Greylisted/)
  assert.match(one.output, /"greylisted"|greylisted/)
})
