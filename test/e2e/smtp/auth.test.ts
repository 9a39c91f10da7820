/** AUTH PLAIN and LOGIN as clients speak them. RFC 4954, RFC 4616. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Session } from '../../../src/store/presence.ts'
import { Client, plain, type Running, startSubmission } from './harness.ts'

const entered: Session[] = []
let left = 0
let submission: Running
before(async () => {
  const presence = {
    enter: async (session: Session) => {
      entered.push(session)
      return entered.length > 40 ? undefined : () => void left++
    },
  }
  submission = await startSubmission({ presence, limits: { loginMs: 5_000 } })
})
after(() => submission.stop())

async function greeted(): Promise<Client> {
  const client = await Client.connectTls(submission.port)
  await client.reply()
  await client.expect(['EHLO c', '250'])
  return client
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const ANN = base64('ann@example.org')
const SECRET = base64('secret')

/** Lines and how their replies begin. */
const DIALOGUES: Record<string, readonly (readonly [string, string])[]> = {
  'PLAIN with an initial response': [[`AUTH PLAIN ${plain('ann@example.org')}`, '235 2.7.0']],
  'PLAIN without': [
    ['AUTH PLAIN', '334 '],
    [plain('ann@example.org'), '235 2.7.0'],
  ],
  'lower case': [[`auth plain ${plain('ann@example.org')}`, '235']],
  'PLAIN for oneself': [[`AUTH PLAIN ${plain('ann@example.org', 'secret', 'ANN@example.org')}`, '235']],
  'PLAIN for another': [[`AUTH PLAIN ${plain('ann@example.org', 'secret', 'bob@example.org')}`, '535 5.7.8']],
  'LOGIN, as Outlook says it': [
    ['AUTH LOGIN', `334 ${base64('Username:')}`],
    [ANN, `334 ${base64('Password:')}`],
    [SECRET, '235 2.7.0'],
  ],
  'LOGIN with an initial response': [
    [`AUTH LOGIN ${ANN}`, `334 ${base64('Password:')}`],
    [SECRET, '235'],
  ],
  'a wrong password, then the right one': [
    [`AUTH PLAIN ${plain('ann@example.org', 'wrong')}`, '535 5.7.8'],
    [`AUTH PLAIN ${plain('ann@example.org')}`, '235'],
  ],
  'an unknown user': [[`AUTH PLAIN ${plain('nobody@example.org')}`, '535 5.7.8']],
  'too many failures elsewhere': [[`AUTH PLAIN ${plain('busy@example.org')}`, '454 4.7.0 Too many failed logins, try again in 8 seconds']],
  'no database': [[`AUTH PLAIN ${plain('away@example.org')}`, '454 4.3.0']],
  'given up': [
    ['AUTH LOGIN', '334'],
    ['*', '501'],
    ['AUTH PLAIN', '334'],
    ['*', '501'],
    ['NOOP', '250'],
  ],
  'not base64': [
    ['AUTH PLAIN !!!!', '501 5.5.2'],
    ['AUTH PLAIN', '334'],
    ['AGFubg', '501 5.5.2'],
    ['NOOP', '250'],
    ['AUTH LOGIN', '334'],
    ['a nn', '501 5.5.2'],
    ['NOOP', '250'],
  ],
  'PLAIN that is none': [
    [`AUTH PLAIN ${base64('ann')}`, '501'],
    [`AUTH PLAIN ${base64('a\0b\0c\0d')}`, '501'],
    [`AUTH PLAIN ${base64('\0an\nn\0secret')}`, '535'],
  ],
  'other mechanisms': [
    ['AUTH CRAM-MD5', '504'],
    ['AUTH XOAUTH2', '504'],
    ['AUTH', '504'],
  ],
  twice: [
    [`AUTH PLAIN ${plain('ann@example.org')}`, '235'],
    [`AUTH PLAIN ${plain('bob@example.org')}`, '503'],
  ],
}

for (const [name, steps] of Object.entries(DIALOGUES)) {
  test(name, async () => {
    const client = await greeted()
    await client.expect(...steps)
    client.close()
  })
}

test('after a login AUTH is not offered again', async () => {
  const client = await greeted()
  await client.expect([`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
  assert.doesNotMatch(await client.say('EHLO c'), /AUTH/)
  client.close()
})

test('five failures end the connection', async () => {
  const client = await greeted()
  const wrong = `AUTH PLAIN ${plain('ann@example.org', 'wrong')}`
  await client.expect([wrong, '535'], [wrong, '535'], [wrong, '535'], [wrong, '535'], [wrong, '421 4.7.0'])
  assert.equal(await client.end(), '')
})

test('a session is known by its account, leaves when it ends, and can be ended', async () => {
  const before = { entered: entered.length, left }
  const client = await greeted()
  await client.expect([`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
  const session = entered.at(-1)!
  assert.deepEqual([session.service, session.remote, session.account, entered.length], ['submission', '127.0.0.1', 1, before.entered + 1])
  session.kick?.('The password was changed')
  assert.equal(await client.reply(), '421 4.7.0 The password was changed')
  await client.end()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(left > before.left)
})

test('too many sessions of one account', async () => {
  while (entered.length < 40) entered.push(entered[0]!)
  const client = await greeted()
  await client.expect([`AUTH PLAIN ${plain('ann@example.org')}`, '421 4.7.0'])
  assert.equal(await client.end(), '')
})

test('nobody stays without a login', async () => {
  const quick = await startSubmission({ limits: { loginMs: 100 } })
  const client = await Client.connectTls(quick.port)
  await client.reply()
  assert.match(await client.reply(), /^421 4\.4\.2 No login/)
  const known = await Client.connectTls(quick.port)
  await known.reply()
  await known.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
  await new Promise((resolve) => setTimeout(resolve, 200))
  await known.expect(['NOOP', '250'])
  await quick.stop()
})
