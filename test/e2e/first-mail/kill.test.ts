/** kill -9 in the middle of deliveries: after a restart every message that got its 250 is there, once. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ImapFlow } from 'imapflow'
import { npmStart, type Started } from '../../support/npm-start.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'

const dir = tempFolder('kill')
let server: Started | undefined
after(async () => {
  await server?.stop()
  removeFolder(dir)
})

const MESSAGES = 500
const CONNECTIONS = 4

/** Sends `ids` one after the other over one plain connection to port 25; tells of each 250 that it read. Ends when the connection does. */
async function deliver(port: number, to: string, ids: readonly string[], acknowledged: (id: string) => void): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.setEncoding('latin1')
  const replies = (async function* () {
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        if (line[3] === ' ') yield line
      }
    }
  })()
  const expect = async (code: string) => {
    const { value } = await replies.next().catch(() => ({ value: undefined }))
    if (value?.slice(0, 3) !== code) throw new Error(`${value}`)
  }
  try {
    await expect('220')
    socket.write('EHLO sender.test\r\n')
    await expect('250')
    for (const id of ids) {
      socket.write('MAIL FROM:<a@sender.test>\r\n')
      await expect('250')
      socket.write(`RCPT TO:<${to}>\r\n`)
      await expect('250')
      socket.write('DATA\r\n')
      await expect('354')
      socket.write(`From: a@sender.test\r\nMessage-ID: <${id}@sender.test>\r\nSubject: ${id}\r\n\r\n${'a line of text\r\n'.repeat(50)}.\r\n`)
      await expect('250')
      acknowledged(id)
    }
  } catch {
    // The server is gone.
  } finally {
    socket.destroy()
  }
}

async function subjects({ endpoints, port, user }: Started, password: string): Promise<string[]> {
  const client = new ImapFlow({
    host: endpoints.host,
    port: port('imaps'),
    secure: true,
    auth: { user: user.address, pass: password },
    tls: { rejectUnauthorized: false },
    logger: false,
  })
  await client.connect()
  const lock = await client.getMailboxLock('INBOX')
  const found: string[] = []
  if (client.mailbox && client.mailbox.exists > 0)
    for await (const message of client.fetch('1:*', { envelope: true })) found.push(message.envelope?.subject ?? '')
  lock.release()
  await client.logout()
  return found
}

for (const [round, moment] of [0.2, 0.6].entries())
  test(`killed after ${moment * 100} % of ${MESSAGES} deliveries`, async () => {
    const data = join(dir, `data${round}`)
    server = await npmStart(data)
    const { user } = server
    const acknowledged: string[] = []
    const ids = Array.from({ length: MESSAGES }, (_, i) => `m${i}`)
    const mx = server.port('mx')
    const lanes = Array.from({ length: CONNECTIONS }, (_, lane) =>
      deliver(
        mx,
        user.address,
        ids.filter((_, i) => i % CONNECTIONS === lane),
        (id) => acknowledged.push(id),
      ),
    )
    while (acknowledged.length < MESSAGES * moment) await sleep(1)
    await server.kill()
    await Promise.all(lanes)
    assert.ok(acknowledged.length < MESSAGES, 'it was killed in the middle')
    // No hand in between: the embedded Postgres that was left behind is dealt with.
    server = await npmStart(data)
    const found = await subjects(server, user.password)
    const times = new Map<string, number>()
    for (const subject of found) times.set(subject, (times.get(subject) ?? 0) + 1)
    assert.deepEqual(
      acknowledged.filter((id) => times.get(id) !== 1),
      [],
      'acknowledged, but not there once',
    )
    assert.deepEqual(
      [...times].filter(([, n]) => n !== 1),
      [],
      'there more than once',
    )
    await server.stop()
    server = undefined
  })

test('Postgres killed twice under deliveries: the server lives, what it acknowledged is there once, and it takes mail again', async () => {
  const data = join(dir, 'postgres-killed')
  server = await npmStart(data)
  const { user } = server
  const mx = server.port('mx')
  const acknowledged: string[] = []
  const stop = performance.now() + 60_000
  let next = 0
  let over = false
  // A refused message is over for this sender: what comes next has another name.
  const lane = async () => {
    while (!over && performance.now() < stop) await deliver(mx, user.address, [`m${next++}`], (id) => acknowledged.push(id))
  }
  const lanes = Array.from({ length: CONNECTIONS }, lane)
  for (let kill = 1; kill <= 2; kill++) {
    const before = acknowledged.length
    while (acknowledged.length < before + 50 && performance.now() < stop) await sleep(5)
    process.kill(Number(readFileSync(join(data, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL')
  }
  const before = acknowledged.length
  while (acknowledged.length < before + 50 && performance.now() < stop) await sleep(5)
  over = true
  await Promise.all(lanes)
  assert.ok(acknowledged.length >= before + 50, 'mail is taken again after the second time')
  const times = new Map<string, number>()
  for (const subject of await subjects(server, user.password)) times.set(subject, (times.get(subject) ?? 0) + 1)
  assert.deepEqual(
    acknowledged.filter((id) => times.get(id) !== 1),
    [],
  )
  assert.deepEqual(
    [...times].filter(([, n]) => n !== 1),
    [],
  )
  assert.equal(await server.stop(), 0)
  server = undefined
})
