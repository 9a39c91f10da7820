/** COMPRESS=DEFLATE by clients that we did not write: imapflow, which asks for it by itself, and Python's zlib with each way to flush. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ImapFlow } from 'imapflow'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../../support/imap.ts'
import { missing, run } from '../../support/programs.ts'

let house: ImapHouse
let server: ImapServer
before(async () => {
  house = await imapHouse(['ann', 'bob'])
  server = await house.serve({ limits: { idleCommands: { burst: 10_000, perSecond: 10_000 } } })
})
after(() => house.close())

test('imapflow', async () => {
  const lines: string[] = []
  const note = (entry: { msg?: string }): void => void lines.push(String(entry.msg ?? ''))
  const client = new ImapFlow({
    ...{ host: '127.0.0.1', port: server.port, secure: false, doSTARTTLS: false },
    auth: { user: 'ann@example.test', pass: PASSWORD },
    logger: { debug: note, info: note, warn: note, error: note } as never,
  })
  await client.connect()
  assert.ok(
    lines.some((line) => line.includes('OK DEFLATE active')),
    'COMPRESS was not used',
  )
  const bodies = Array.from({ length: 30 }, (_, i) => `Subject: ${i}\r\n\r\n${'lorem ipsum '.repeat(i * 500)}\r\n`)
  for (const body of bodies) assert.ok(await client.append('INBOX', body))
  const lock = await client.getMailboxLock('INBOX')
  const seen: string[] = []
  for await (const message of client.fetch('1:*', { source: true, envelope: true })) seen.push(String(message.source))
  assert.deepEqual(seen, bodies)
  // In IDLE, and told.
  const told = new Promise<number>((done) => client.once('exists', ({ count }: { count: number }) => done(count)))
  void client.idle()
  await house.append('ann', 'INBOX', [{ text: 'Subject: news\r\n\r\n' }])
  assert.equal(await told, 31)
  lock.release()
  await client.logout()
})

test('imaplib with zlib', { skip: missing('python3') }, async () => {
  const script = fileURLToPath(new URL('compress.py', import.meta.url))
  const { code, out, err } = await run('python3', [script, `${server.port}`, 'bob@example.test', PASSWORD])
  assert.equal(code, 0, err)
  assert.match(out, /OK/)
})
