/** Two IMAP sessions see each other's work at once, and POP3 and IMAP share one truth. Clients: imapflow and curl. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import { ImapFlow } from 'imapflow'
import { npmStart } from '../../support/npm-start.ts'
import { removeFolder, tempFolder } from '../../support/temp.ts'

const dir = tempFolder('sessions')
const server = await npmStart(join(dir, 'data'))
after(async () => {
  await server.stop()
  removeFolder(dir)
})
const { host } = server.endpoints
const { address, password } = server.user
const WITHIN = 1_000

async function session(): Promise<ImapFlow> {
  const client = new ImapFlow({
    host,
    port: server.port('imaps'),
    secure: true,
    auth: { user: address, pass: password },
    tls: { rejectUnauthorized: false },
    logger: false,
  })
  await client.connect()
  return client
}
const message = (n: number) => Buffer.from(`From: a@sender.test\r\nSubject: message ${n}\r\n\r\ntext ${n}\r\n`)
/** The next event of this name, if it comes within a second. */
async function soon(client: ImapFlow, event: string): Promise<Record<string, unknown>> {
  const [news] = (await once(client, event, { signal: AbortSignal.timeout(WITHIN) })) as [Record<string, unknown>]
  return news
}

test('what one session does, another sees in IDLE within a second, with the right numbers', async () => {
  const [a, b] = [await session(), await session()]
  for (let n = 1; n <= 5; n++) await a.append('INBOX', message(n))
  await a.mailboxOpen('INBOX')
  await b.mailboxOpen('INBOX')
  const idling = b.idle()
  await sleep(100)

  let heard = soon(b, 'flags')
  await a.messageFlagsAdd('2', ['\\Flagged'])
  const flags = await heard
  assert.deepEqual([flags['seq'], [...(flags['flags'] as Set<string>)]], [2, ['\\Flagged']])

  heard = soon(b, 'exists')
  await a.append('INBOX', message(6))
  assert.equal((await heard)['count'], 6)

  heard = soon(b, 'expunge')
  await a.messageDelete('3')
  assert.equal((await heard)['seq'], 3)

  heard = soon(b, 'flags')
  await a.messageFlagsAdd('3', ['\\Answered'])
  assert.equal((await heard)['seq'], 3, 'the fourth message is the third now, for both')

  const noop = b.noop()
  await Promise.all([noop, idling.catch(() => {})])
  const subjects: string[] = []
  for await (const found of b.fetch('1:*', { envelope: true, flags: true }))
    subjects.push(`${found.envelope?.subject} ${[...(found.flags ?? [])].filter((f) => f !== '\\Recent')}`)
  assert.deepEqual(subjects, ['message 1 ', 'message 2 \\Flagged', 'message 4 \\Answered', 'message 5 ', 'message 6 '])
  await Promise.all([a.logout(), b.logout()])
})

class Pop {
  readonly #socket: TLSSocket
  #text = ''
  constructor() {
    this.#socket = tlsConnect({ host, port: server.port('pop3s'), rejectUnauthorized: false })
    this.#socket.on('error', () => {})
    this.#socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1')
    })
  }
  async line(): Promise<string> {
    while (!this.#text.includes('\r\n')) await sleep(2)
    const end = this.#text.indexOf('\r\n')
    const line = this.#text.slice(0, end)
    this.#text = this.#text.slice(end + 2)
    return line
  }
  async say(command: string): Promise<string> {
    this.#socket.write(`${command}\r\n`)
    return this.line()
  }
  async login(): Promise<string> {
    await this.line()
    await this.say(`USER ${address}`)
    return this.say(`PASS ${password}`)
  }
  drop(): void {
    this.#socket.destroy()
  }
}

test('POP3: a dropped line deletes nothing, QUIT exactly what was marked, a second login waits, IMAP sees it', async () => {
  const imap = await session()
  const { exists } = await imap.mailboxOpen('INBOX')
  const dropped = new Pop()
  assert.match(await dropped.login(), /^\+OK/)
  assert.match(await dropped.say('DELE 1'), /^\+OK/)
  const second = new Pop()
  assert.match(await second.login(), /^-ERR \[IN-USE\]/)
  second.drop()
  dropped.drop()
  const until = performance.now() + 5_000
  let again = new Pop()
  while (!/^\+OK/.test(await again.login()) && performance.now() < until) {
    again.drop()
    await sleep(50)
    again = new Pop()
  }
  assert.match(await again.say('STAT'), new RegExp(`^\\+OK ${exists} `))
  assert.match(await again.say('DELE 2'), /^\+OK/)
  assert.match(await again.say('DELE 4'), /^\+OK/)
  const gone: number[] = []
  imap.on('expunge', (news: { seq: number }) => gone.push(news.seq))
  assert.match(await again.say('QUIT'), /^\+OK/)
  await imap.noop()
  assert.deepEqual(
    gone.sort((x, y) => x - y),
    [2, 4],
  )
  const subjects: string[] = []
  for await (const found of imap.fetch('1:*', { envelope: true })) subjects.push(found.envelope?.subject ?? '')
  assert.deepEqual(subjects, ['message 1', 'message 4', 'message 6'])
  await imap.logout()
})
