/** What a login decides for its session. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { generateAppPassword, hashAppPassword } from '../../src/auth/app-password.ts'
import { hashPassword } from '../../src/auth/password.ts'
import type { WantedAccount } from '../../src/store/accounts.ts'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { WireClient } from '../support/wire-client.ts'

const USER = 'ann@example.test'
const phone = generateAppPassword()
let house: ImapHouse
let server: ImapServer
let passwordHash: string
const apply = (more: Partial<WantedAccount>) =>
  house.accounts.reconcile({ domains: ['example.test'], accounts: [{ address: USER, aliases: [], passwordHash, ...more }] })

before(async () => {
  passwordHash = await hashPassword(PASSWORD)
  house = await imapHouse([])
  server = await house.serve({ disable: ['UIDPLUS'] })
})
after(() => house?.close())

async function session(password: string): Promise<{ client: WireClient; offered: Set<string> }> {
  const client = await WireClient.connect(server.port)
  await client.line()
  const [answer] = await client.command('a', `LOGIN ${USER} "${password}"`)
  const offered = /^a OK \[CAPABILITY ([^\]]+)\]/.exec(answer ?? '')?.[1]?.split(' ')
  assert.ok(offered, answer)
  return { client, offered: new Set(offered) }
}

test('capabilities that the server, the account, and the app password do without; a removed one ends its sessions', async () => {
  const app = { name: 'phone', hash: hashAppPassword(phone), scopes: ['imap'], disable: ['MOVE', 'OF-A-NEWER-VERSION'] } as const
  await apply({ disable: ['idle'], appPasswords: [app] })
  const [main, small] = [await session(PASSWORD), await session(phone)]
  const has = ({ offered }: { offered: Set<string> }) => ['UIDPLUS', 'IDLE', 'MOVE', 'NAMESPACE'].filter((name) => offered.has(name))
  assert.deepEqual(has(main), ['MOVE', 'NAMESPACE'])
  assert.deepEqual(has(small), ['NAMESPACE'])
  assert.match((await small.client.command('b', 'IDLE')).at(-1)!, /^b BAD/)
  await small.client.command('c', 'SELECT INBOX')
  assert.match((await small.client.command('d', 'MOVE 1 Trash')).at(-1)!, /^d BAD Unknown command/)
  assert.match((await small.client.command('e', 'UID EXPUNGE 1')).at(-1)!, /^e BAD Unknown command/)
  await apply({})
  assert.equal(await small.client.line(), '* BYE app password removed')
  assert.equal(await main.client.line(), '* BYE app password removed')
  const again = await WireClient.connect(server.port)
  await again.line()
  assert.match((await again.command('f', `LOGIN ${USER} "${phone}"`))[0]!, /^f NO \[AUTHENTICATIONFAILED\]/)
})
