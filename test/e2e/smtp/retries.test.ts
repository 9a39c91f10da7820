/** A sender that did not hear our 250 sends again; one that did may send the same on purpose. On a real Postgres. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAuthenticator } from '../../../src/auth/login.ts'
import { hashPassword } from '../../../src/auth/password.ts'
import { silentLog } from '../../../src/log.ts'
import { canonical } from '../../../src/mail/address.ts'
import { createTls } from '../../../src/net/tls.ts'
import { mxService, submissionService } from '../../../src/smtp/server.ts'
import type { Delivery, MailStore } from '../../../src/store/mailstore.ts'
import { createMemoryDrivers } from '../../../src/store/memory/index.ts'
import { openStore } from '../../../src/store/pg/index.ts'
import { testDatabase } from '../../support/postgres.ts'
import { Client, pair, plain, serveOn } from './harness.ts'

const log = silentLog()
const db = await testDatabase()
const drivers = createMemoryDrivers(log)
const opened = await openStore({ connect: db.connect, drivers, log })
const { store, accounts } = opened
const passwordHash = await hashPassword('secret')
await accounts.reconcile({
  domains: ['example.org'],
  accounts: ['ann', 'bob', 'cat'].map((name) => ({ address: `${name}@example.org`, aliases: [], passwordHash })),
})
const grant = async (name: string) => accounts.grant((await accounts.login(`${name}@example.org`))!)
const cat = await grant('cat')

/** Runs in place of a delivery's commit, for tests that want it to fail or to take its time. */
let meddle:
  | ((commit: (to: readonly Delivery[]) => ReturnType<MailStore['deliver']>, to: readonly Delivery[]) => ReturnType<MailStore['deliver']>)
  | undefined
const meddled: Pick<MailStore, 'stage' | 'staged' | 'deliver'> = {
  stage: store.stage,
  staged: store.staged,
  deliver(content, date, to, attempt) {
    const commit = (some: readonly Delivery[]) => store.deliver(content, date, some, attempt)
    return meddle ? meddle(commit, to) : commit(to)
  },
}
const authenticator = createAuthenticator({ accounts, throttle: drivers.throttle, canonical, log })
const tls = createTls(pair)
const base = { store: meddled, accounts, throttle: drivers.throttle, log, hostname: 'mx.example.org', primaryDomain: 'example.org' }
const limits = { greetingDelayMs: 0, commitMs: 300 }
const mx = await serveOn(mxService({ ...base, tls: tls.service('mx'), limits }), 'starttls')
const submissions = await serveOn(
  submissionService({ ...base, authenticator, presence: drivers.presence, tls: tls.service('submission'), limits, service: 'submissions' }),
  'implicit',
)
after(async () => {
  await Promise.all([mx, submissions].map((listener) => listener.drain(2_000)))
  authenticator.close()
  await opened.close()
  await drivers.close()
  await db.close()
})

const counts = async () =>
  Promise.all(['ann', 'bob', 'cat'].map(async (name) => (await store.status(await store.open(await grant(name), 'INBOX', false))).exists))
/** How many more each of ann, bob and cat has after `run`. */
async function gains(run: () => Promise<unknown>): Promise<number[]> {
  const before = await counts()
  await run()
  return (await counts()).map((n, i) => n - before[i]!)
}

async function greeted(port = mx.port): Promise<Client> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO c', '250'])
  return client
}
const envelope = (to: readonly string[], from = 'a@else.example') => [
  `MAIL FROM:<${from}>`,
  ...to.map((name) => `RCPT TO:<${name}@example.org>`),
  'DATA',
]
async function send(client: Client, text: string, to: readonly string[] = ['ann'], from?: string): Promise<string> {
  for (const line of envelope(to, from)) await client.expect([line, line === 'DATA' ? '354' : '250'])
  return client.say(`${text}\r\n.`)
}
let texts = 0
const text = () => `Subject: number ${++texts}\r\n\r\nhello`

test('250, the line breaks, the retry: once', async () => {
  const said = text()
  assert.deepEqual(
    await gains(async () => {
      for (let i = 0; i < 3; i++) {
        const client = await greeted()
        assert.match(await send(client, said), /^250/)
        client.close()
      }
    }),
    [1, 0, 0],
  )
})

test('the next command shows that the 250 was heard: the same again is another message, at once', async () => {
  const said = text()
  assert.deepEqual(
    await gains(async () => {
      const client = await greeted()
      for (let i = 0; i < 3; i++) assert.match(await send(client, said), /^250/)
      await client.expect(['QUIT', '221'])
      const other = await greeted()
      assert.match(await send(other, said), /^250/)
      await other.expect(['QUIT', '221'])
    }),
    [4, 0, 0],
  )
})

test('a QUIT that was sent together with the final dot shows nothing; text that waited for the next 354 does', async () => {
  const said = text()
  assert.deepEqual(
    await gains(async () => {
      for (let i = 0; i < 2; i++) {
        const client = await greeted()
        for (const line of envelope(['ann'])) await client.expect([line, line === 'DATA' ? '354' : '250'])
        client.write(`${said}\r\n.\r\nQUIT\r\n`)
        assert.match(await client.end(), /^250 .*\r\n221 /)
      }
    }),
    [1, 0, 0],
  )
  const more = text()
  assert.deepEqual(
    await gains(async () => {
      const client = await greeted()
      for (const line of envelope(['ann'])) await client.expect([line, line === 'DATA' ? '354' : '250'])
      client.write(`${more}\r\n.\r\n${envelope(['ann']).join('\r\n')}\r\n`)
      for (const code of ['250', '250', '250', '354']) assert.equal((await client.reply()).slice(0, 3), code)
      client.write(`${more}\r\n.\r\n`)
      assert.match(await client.reply(), /^250/)
      client.close()
    }),
    [2, 0, 0],
  )
})

test('another sender, another recipient, one octet more: another message', async () => {
  const said = text()
  const client = await greeted()
  const again = await greeted()
  assert.deepEqual(
    await gains(async () => {
      await send(client, said)
      for (const [what, to, from] of [
        [said, ['ann'], 'b@else.example'],
        [said, ['bob'], 'a@else.example'],
        [`${said} `, ['ann'], 'a@else.example'],
        [said, ['ann', 'bob'], ''],
      ] as const)
        assert.match(await send(again, what, to, from), /^250/)
    }),
    [4, 2, 0],
  )
})

test('one of three recipients fails: the retry completes it and doubles nobody', async () => {
  const said = text()
  const client = await greeted()
  assert.deepEqual(
    await gains(async () => {
      meddle = async (commit, to) => {
        await commit(to.filter((d) => d.to.account !== cat.account))
        throw Object.assign(new Error('cat cannot'), { code: '57014' })
      }
      assert.match(await send(client, said, ['ann', 'bob', 'cat']), /^451/)
      meddle = undefined
      assert.match(await send(client, said, ['ann', 'bob', 'cat']), /^250/)
    }),
    [1, 1, 1],
  )
})

test('451 for lack of time, and the commit comes after all: the retry finds it, also while it is still under way', async () => {
  const said = text()
  assert.deepEqual(
    await gains(async () => {
      const client = await greeted()
      const late: Promise<unknown>[] = []
      meddle = (commit, to) => {
        const slow = sleep(600).then(() => commit(to))
        late.push(slow)
        return slow
      }
      assert.match(await send(client, said), /^451 4\.3\.0 The mail store is too slow/)
      meddle = undefined
      const [now] = await Promise.all([greeted().then((other) => send(other, said)), ...late])
      assert.match(now, /^250/)
      const third = await greeted()
      assert.match(await send(third, said), /^250/)
    }),
    [1, 0, 0],
  )
})

test('the same over two connections at once: once', async () => {
  const said = text()
  assert.deepEqual(
    await gains(async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => greeted()))
      for (const reply of await Promise.all(clients.map((client) => send(client, said, ['ann', 'bob'])))) assert.match(reply, /^250/)
    }),
    [1, 1, 0],
  )
})

test('submission: a program that sends again after a time-out, and one that sends twice on purpose', async () => {
  const login = async () => {
    const client = await Client.connectTls(submissions.port)
    await client.reply()
    await client.expect(['EHLO c', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
    return client
  }
  const said = `From: ann@example.org\r\n${text()}`
  assert.deepEqual(
    await gains(async () => {
      for (let i = 0; i < 2; i++) {
        const client = await login()
        assert.match(await send(client, said, ['bob'], 'ann@example.org'), /^250/)
        client.close()
      }
    }),
    [0, 1, 0],
  )
  assert.deepEqual(
    await gains(async () => {
      const client = await login()
      for (let i = 0; i < 3; i++) assert.match(await send(client, `${said}!`, ['bob'], 'ann@example.org'), /^250/)
      client.close()
    }),
    [0, 3, 0],
  )
})

test('a retry in chunks, of what came as a text before, and the other way round: once', async () => {
  const said = text()
  const whole = `${said}\r\n`
  const inChunks = async (): Promise<string> => {
    const client = await greeted()
    for (const line of envelope(['ann'])) if (line !== 'DATA') await client.expect([line, '250'])
    client.write(`BDAT 10\r\n${whole.slice(0, 10)}BDAT ${whole.length - 10} LAST\r\n${whole.slice(10)}`)
    await client.reply()
    const reply = await client.reply()
    client.close()
    return reply
  }
  assert.deepEqual(
    await gains(async () => {
      for (const _ of [1, 2]) {
        assert.match(await inChunks(), /^250 /)
        const client = await greeted()
        assert.match(await send(client, said), /^250 /)
        client.close()
      }
    }),
    [1, 0, 0],
  )
})
