/** kill -9 between a delivery and its reading, of a whole server: the next one reads it. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { hashPassword } from '../../../src/auth/password.ts'
import { testDatabase } from '../../support/postgres.ts'
import { dmarcXml, reportMail } from '../../support/reports.ts'
import { postern, startServer } from '../../support/server.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'
import { Client } from '../smtp/harness.ts'

const dir = tempFolder('reports-killed')
const db = await testDatabase()
after(async () => {
  await db.close()
  removeFolder(dir)
})

test('a host that only takes mail is killed after its 250; one with the queue reads the report', async () => {
  const config = `hostname: mail.example.test
domains: [example.test]
mailboxes:
  - address: ann@example.test
    password_hash: ${await hashPassword('secret')}
    aliases: [reports@example.test]
reports: { to: reports@example.test }
`
  const env = { DATABASE_URL: db.url }
  const taking = await startServer({ dir, config, env, args: ['--roles', 'mx'] })
  const client = await Client.connect(taking.port('mx'))
  await client.reply()
  await client.expect(['EHLO c.test', '250'], ['MAIL FROM:<x@sender.test>', '250'], ['RCPT TO:<reports@example.test>', '250'], ['DATA', '354'])
  client.write(`${reportMail({ from: 'x@sender.test', attached: [{ type: 'application/gzip', data: gzipSync(dmarcXml()) }] })}.\r\n`)
  assert.match(await client.reply(), /^250 /)
  await taking.kill()
  client.close()
  const ask = async (): Promise<string> => {
    const { code, out, err } = await postern(['--data', dir, 'reports'], { env })
    assert.equal(code, 0, err)
    return out
  }
  assert.equal(await ask(), 'No reports of the last 30 days that count.\n')
  const reading = await startServer({ dir, env })
  after(() => reading.close())
  let said = ''
  for (let tries = 0; !said.includes('sender.test: 1') && tries < 50; tries++) {
    await sleep(100)
    said = await ask()
  }
  // From loopback nobody is looked at, so nothing proves it.
  assert.match(said, /== Not counted: 1 report that nothing proves to be of who sent them; anybody can write such\n {4}sender\.test: 1\n$/)
})
