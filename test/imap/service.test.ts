/** What the service does when things around it go wrong, slowly, or not at all. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { pino } from 'pino'
import { Unavailable } from '../../src/store/errors.ts'
import type { MailStore } from '../../src/store/mailstore.ts'
import { type ImapHouse, imapHouse, PASSWORD, type ServeOptions } from '../support/imap.ts'
import { WireClient } from '../support/wire-client.ts'

let house: ImapHouse
before(async () => {
  house = await imapHouse(['ann', 'bob', 'cid', 'dan', 'eve', 'fay'], { quota: 1_000_000 })
})
after(() => house.close())

async function open(user: string, options: ServeOptions = {}, mailbox = 'INBOX') {
  const server = await house.serve(options)
  const client = await WireClient.connect(server.port)
  await client.line()
  await client.command('in', `LOGIN ${user}@example.test "${PASSWORD}"`)
  assert.match((await client.command('in', `SELECT ${mailbox}`)).at(-1) ?? '', /^in OK/)
  return { server, client }
}

describe('faults', () => {
  const away = (): Promise<never> => Promise.reject(new Unavailable('no database'))
  const broken = (): Promise<never> => Promise.reject(new TypeError('x is undefined, and the secret is 42'))

  test('without a database commands are refused, and go on when it is back', async () => {
    let isAway = false
    const faulty = (store: MailStore): MailStore => ({
      ...store,
      status: (m) => (isAway ? away() : store.status(m)),
      flags: (m, uids, op) => (isAway ? away() : store.flags(m, uids, op)),
      mailboxes: (a) => (isAway ? away() : store.mailboxes(a)),
    })
    await house.append('ann', 'INBOX', [{ text: 'ab' }])
    const { client } = await open('ann', { faulty })
    isAway = true
    for (const command of ['STATUS INBOX (MESSAGES)', 'STORE 1 +FLAGS (\\Seen)', 'LIST "" *'])
      assert.deepEqual(await client.command('a', command), ['a NO [UNAVAILABLE] The server cannot do this now, try again later'])
    isAway = false
    assert.match((await client.command('a', 'STORE 1 +FLAGS (\\Seen)')).join(), /FLAGS \(\\Seen.*a OK STORE/)
    client.destroy()
  })

  test('NOOP says when it could not look; other commands do not mind', async () => {
    let isAway = false
    const faulty = (store: MailStore): MailStore => ({
      ...store,
      async select(m, watcher) {
        const selected = await store.select(m, watcher)
        const refresh = selected.refresh.bind(selected)
        selected.refresh = (how) => (isAway ? away() : refresh(how))
        return selected
      },
    })
    const { client } = await open('ann', { faulty })
    isAway = true
    assert.match((await client.command('a', 'NOOP')).at(-1) ?? '', /^a NO \[UNAVAILABLE\]/)
    assert.match((await client.command('a', 'CAPABILITY')).at(-1) ?? '', /^a OK/)
    client.send('b IDLE\r\n')
    assert.equal(await client.line(), '+ idling')
    client.send('DONE\r\n')
    assert.equal(await client.line(), 'b OK IDLE terminated')
    client.destroy()
  })

  test('a fault of the program is an answer, is logged, and ends nothing', async () => {
    const logged: string[] = []
    const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) })
    const { client } = await open('ann', { log, faulty: (store) => ({ ...store, mailboxes: broken }) })
    assert.deepEqual(await client.command('a', 'LIST "" *'), ['a NO [SERVERBUG] Internal error'])
    assert.match((await client.command('b', 'NOOP')).at(-1) ?? '', /^b OK/)
    assert.equal(logged.length, 1)
    assert.match(logged[0]!, /"cmd":"LIST"/)
    client.destroy()
  })

  test('what is over the quota', async () => {
    const { client } = await open('bob')
    client.send(`a APPEND INBOX {999990+}\r\nSubject: big\r\n\r\n${'x'.repeat(999_974)}\r\n`)
    assert.match((await client.until('a')).at(-1) ?? '', /^a OK/)
    assert.match((await client.command('b', 'APPEND INBOX {20+}\r\naaaaaaaaaaaaaaaaaaaa')).at(-1) ?? '', /^b NO \[OVERQUOTA\]/)
    assert.match((await client.command('c', 'COPY 1 Sent')).at(-1) ?? '', /^c NO \[OVERQUOTA\]/)
    assert.match((await client.command('d', 'MOVE 1 Sent')).at(-1) ?? '', /^d OK/)
    client.destroy()
  })
})

describe('IDLE', () => {
  test('news of another process come by looking, when its pokes do not', async () => {
    const { client } = await open('cid', { apart: true, limits: { pollTime: 100 } })
    client.send('a IDLE\r\n')
    assert.equal(await client.line(), '+ idling')
    await house.append('cid', 'INBOX', [{ text: 'ab' }])
    assert.equal(await client.line(), '* 1 EXISTS')
    assert.match((await client.line()) ?? '', /RECENT/)
    client.destroy()
  })

  test('news of this process come at once', async () => {
    const { client } = await open('cid', {}, 'Drafts')
    client.send('a IDLE\r\n')
    await client.line()
    const waits: number[] = []
    for (let i = 1; i <= 20; i++) {
      await house.append('cid', 'Drafts', [{ text: 'ab' }])
      const start = performance.now()
      assert.equal(await client.line(), `* ${i} EXISTS`)
      waits.push(performance.now() - start)
      await client.line()
    }
    waits.sort((a, b) => a - b)
    assert.ok(waits[10]! < 50, `median ${waits[10]} ms`)
    client.destroy()
  })

  test('ends with the connection, at once', async () => {
    const { server, client } = await open('cid', {}, 'Trash')
    client.send('a IDLE\r\n')
    await client.line()
    client.destroy()
    for (let i = 0; i < 100 && server.connections > 0; i++) await new Promise((done) => setTimeout(done, 20))
    assert.equal(server.connections, 0)
  })
})

describe('the end', () => {
  test('a command that runs is finished when the server stops, also an APPEND that is still coming', async () => {
    const { server, client } = await open('dan')
    client.send('a APPEND INBOX {10}\r\n')
    assert.equal(await client.line(), '+ OK')
    client.send('01234')
    const stopped = server.stop()
    await new Promise((done) => setTimeout(done, 50))
    client.send('56789\r\nb NOOP\r\n')
    const lines = await client.until('a')
    assert.deepEqual(lines.slice(0, 2), ['* 1 EXISTS', '* 1 RECENT'])
    assert.match(lines.at(-1) ?? '', /^a OK \[APPENDUID [0-9]+ 1\] APPEND completed$/)
    assert.equal(await client.line(), '* BYE Server is shutting down')
    assert.equal(await client.line(), undefined)
    await stopped
  })

  test('a client that leaves in the middle of an APPEND has appended nothing', async () => {
    const { server, client } = await open('dan', {}, 'Sent')
    client.send('a APPEND Sent {10+}\r\n01234')
    client.end()
    assert.equal(await client.line(), undefined)
    await server.stop()
    const a = await house.access('dan')
    assert.equal((await house.store.status(await house.store.open(a, 'Sent', false))).exists, 0)
  })
})

describe('floods', () => {
  test('NOOPs and failures cost tokens', async () => {
    const { client } = await open('eve', { limits: { idleCommands: { burst: 5, perSecond: 50 }, bad: 1_000 } })
    const start = performance.now()
    client.send(`${'a NOOP\r\n'.repeat(15)}${'a FROB\r\n'.repeat(10)}last CAPABILITY\r\n`)
    await client.until('last')
    assert.ok(performance.now() - start > 350, `${performance.now() - start} ms for 20 tokens too many`)
    client.destroy()
  })

  test('10,000 commands ahead of a client that does not read are not kept in memory', { timeout: 60_000 }, async () => {
    await house.append(
      'fay',
      'INBOX',
      Array.from({ length: 1_000 }, () => ({ text: 'ab' })),
    )
    const { server, client } = await open('fay')
    client.pause()
    const before = process.memoryUsage().rss
    for (let i = 0; i < 10_000; i++) client.send(`a${i} UID STORE 1:* +FLAGS (\\Seen)\r\n`)
    await new Promise((done) => setTimeout(done, 2_000))
    const grown = (process.memoryUsage().rss - before) / (1 << 20)
    assert.ok(grown < 64, `${grown} MiB`)
    client.destroy()
    for (let i = 0; i < 100 && server.connections > 0; i++) await new Promise((done) => setTimeout(done, 50))
    assert.equal(server.connections, 0)
  })
})
