/** COMPRESS with a client that does what it should and one that does not, and what a session costs that does nothing. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { constants, deflateRawSync } from 'node:zlib'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { WireClient } from '../support/wire-client.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
const { Z_SYNC_FLUSH, Z_PARTIAL_FLUSH } = constants
const deflated = (text: string | Buffer, finishFlush = Z_SYNC_FLUSH): Buffer => deflateRawSync(text, { finishFlush })

let house: ImapHouse
let server: ImapServer
before(async () => {
  house = await imapHouse(['ann', 'bob'])
  server = await house.serve({ limits: { sessionsPerAccount: 1_000 } })
})
after(() => house.close())

async function login(user = 'ann'): Promise<WireClient> {
  const client = await WireClient.connect(server.port)
  await client.line()
  await client.command('in', `LOGIN ${user}@example.test "${PASSWORD}"`)
  return client
}
async function compressed(user = 'ann'): Promise<WireClient> {
  const client = await login(user)
  assert.deepEqual(await client.command('c', 'COMPRESS DEFLATE'), ['c OK DEFLATE active'])
  client.compress()
  return client
}

describe('on one connection', () => {
  test('what comes in one piece with the command is not lost', async () => {
    const client = await login()
    client.send(Buffer.concat([Buffer.from('p NOOP\r\nc COMPRESS DEFLATE\r\n'), deflated('a NOOP\r\nb CAPABILITY\r\n')]))
    assert.deepEqual([await client.line(), await client.line()], ['p OK NOOP completed', 'c OK DEFLATE active'])
    client.compress()
    assert.equal((await client.until('b')).at(0), 'a OK NOOP completed')
    client.destroy()
  })

  test('a message of 3 MB, and what is fetched is what was sent', async () => {
    const client = await compressed()
    const message = Buffer.concat([Buffer.from('Subject: big\r\n\r\n'), randomBytes(1_500_000), Buffer.alloc(1_500_000, 'lorem ipsum\r\n')])
    client.send(`a APPEND INBOX {${message.length}+}\r\n`)
    client.send(message)
    client.send('\r\n')
    assert.match((await client.until('a')).at(-1)!, /^a OK/)
    await client.command('s', 'EXAMINE INBOX')
    for (let round = 0; round < 3; round++) {
      const answer = (await client.command('f', 'FETCH 1 BODY.PEEK[]')).join('\r\n')
      const start = answer.indexOf('}\r\n') + 3
      assert.ok(answer.slice(start, start + message.length) === message.toString('latin1'))
    }
    client.destroy()
  })

  test('1,000 commands at once', async () => {
    const client = await compressed()
    client.send(Array.from({ length: 1_000 }, (_, i) => `${i} CAPABILITY\r\n`).join(''))
    for (let i = 0; i < 1_000; i++) {
      assert.match((await client.line())!, /^\* CAPABILITY/)
      assert.equal(await client.line(), `${i} OK CAPABILITY completed`)
    }
    client.destroy()
  })

  test('a client that is slow to read gets all of it, and BYE behind it', async () => {
    const client = await compressed()
    await client.command('s', 'EXAMINE INBOX')
    client.pause()
    client.send('f FETCH 1 BODY.PEEK[]\r\ng FETCH 1 BODY.PEEK[]\r\nl LOGOUT\r\n')
    await sleep(200)
    client.resume()
    const lines = await client.until('l')
    assert.equal(lines.filter((line) => / FETCH \(BODY\[\] \{30000\d\d\}$/.test(line)).length, 2)
    assert.equal(lines.at(-2), '* BYE Logging out')
    assert.equal(await client.line(), undefined)
  })
})

describe('a client that means no good', () => {
  test('64 MB of one line in 64 KB: the connection ends, and a neighbour is served', async () => {
    const [client, neighbour] = [await login(), await compressed('bob')]
    await client.command('c', 'COMPRESS DEFLATE')
    const bomb = deflated(Buffer.alloc(64 << 20, 'x'))
    gc()
    const before = process.memoryUsage().arrayBuffers
    client.send(bomb)
    client.compress()
    for (let i = 0; i < 20; i++) assert.match((await neighbour.command('n', 'NOOP')).at(-1)!, /^n OK/)
    assert.equal(await client.line(), '* BYE Command line too long')
    assert.ok(process.memoryUsage().arrayBuffers - before < 8 << 20)
    for (const one of [client, neighbour]) one.destroy()
  })

  test('a literal that says less than comes', async () => {
    const client = await login()
    await client.command('c', 'COMPRESS DEFLATE')
    client.send(deflated(Buffer.concat([Buffer.from('a APPEND INBOX {10+}\r\n'), Buffer.alloc(32 << 20, '\0')])))
    client.compress()
    assert.equal(await client.line(), '* BYE Command line too long')
    client.destroy()
  })

  test('octets by chance', async () => {
    for (let i = 0; i < 50; i++) {
      const client = await login()
      await client.command('c', 'COMPRESS DEFLATE')
      client.send(i % 2 ? randomBytes(500) : Buffer.concat([deflated('a NOOP\r\n'), randomBytes(300)]))
      client.compress()
      let line = await client.line()
      while (line !== undefined) line = await client.line()
    }
  })
})

/** Octets beside those of a session that does not compress. Measured: 3,400, and 62,000 where the client's flushes do not end at an octet, as neomutt's. */
const IDLE_BOUND = 10_000
const IDLE_BOUND_PARTIAL = 100_000
const SESSIONS = 100
test('what a session in IDLE costs more when it compresses', async (t) => {
  const used = async (): Promise<number> => {
    for (let i = 0; i < 3; i++) {
      await sleep(100)
      gc()
    }
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const clients: WireClient[] = []
  const cost = async (compresses: boolean, flush = Z_SYNC_FLUSH): Promise<number> => {
    const from = await used()
    for (let i = 0; i < SESSIONS; i++) {
      const client = await login('bob')
      clients.push(client)
      if (compresses) await client.command('c', 'COMPRESS DEFLATE')
      const commands = 'l LIST "" *\r\ns SELECT INBOX\r\nf UID FETCH 1:* FLAGS\r\ni IDLE\r\n'
      client.send(compresses ? deflated(commands, flush) : commands)
    }
    await sleep(500)
    return ((await used()) - from) / SESSIONS
  }
  await cost(true)
  const [plain, sync, partial] = [await cost(false), await cost(true), await cost(true, Z_PARTIAL_FLUSH)]
  t.diagnostic(`${Math.round(plain)} octets without, ${Math.round(sync - plain)} more with it, ${Math.round(partial - plain)} with partial flushes`)
  assert.ok(sync - plain < IDLE_BOUND, `${sync - plain}`)
  assert.ok(partial - plain < IDLE_BOUND_PARTIAL, `${partial - plain}`)
  for (const client of clients) client.destroy()
})
