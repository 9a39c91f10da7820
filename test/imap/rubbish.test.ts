/** Input that no client sends: the connection gets an answer or its end, the neighbour does not notice, and nothing is a fault of the server. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { pino } from 'pino'
import { COMMANDS } from '../../src/imap/commands/index.ts'
import { EXTENSIONS } from '../../src/imap/extensions/index.ts'
import { createRegistry } from '../../src/imap/registry.ts'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { seeded } from '../support/random.ts'
import { WireClient } from '../support/wire-client.ts'

const SEED = Number(process.env['SEED'] ?? 1)
/** A loaded machine is slow; a blocked event loop is slower. */
const NEIGHBOUR_MS = 1_000

let house: ImapHouse
let server: ImapServer
let neighbour: WireClient
const logged: string[] = []

before(async () => {
  house = await imapHouse(['ann', 'bob'])
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  server = await house.serve({ log, limits: { bad: 1_000_000, badAnonymous: 1_000_000, idleCommands: { burst: 1_000_000, perSecond: 1_000_000 } } })
  await house.append('ann', 'INBOX', [{ text: 'Subject: one\r\n\r\nbody\r\n' }, { text: 'Subject: two\r\n\r\nbody\r\n' }])
  neighbour = await login('bob')
})
after(async () => {
  neighbour.destroy()
  await house.close()
})

async function login(user: string): Promise<WireClient> {
  const client = await WireClient.connect(server.port)
  await client.line()
  assert.match((await client.command('in', `LOGIN ${user}@example.test "${PASSWORD}"`)).at(-1) ?? '', /^in OK/)
  return client
}

async function connected(state: string): Promise<WireClient> {
  if (state !== 'anonymous') {
    const client = await login('ann')
    if (state === 'selected') await client.command('in', 'SELECT INBOX')
    return client
  }
  const client = await WireClient.connect(server.port)
  await client.line()
  return client
}

async function neighbourIsWell(): Promise<void> {
  const start = performance.now()
  await neighbour.command('n', 'NOOP')
  const took = performance.now() - start
  assert.ok(took < NEIGHBOUR_MS, `the neighbour waited ${took} ms`)
}

/** All lines up to the end of the connection, or to the answer to a last NOOP. */
async function answers(client: WireClient): Promise<string[]> {
  client.send('\r\nlast NOOP\r\n')
  const lines: string[] = []
  for (;;) {
    const line = await client.line(20_000)
    if (line !== undefined) lines.push(line)
    if (line === undefined || line.startsWith('last ')) return lines
  }
}

const big: [name: string, input: string, answer: RegExp][] = [
  ['a line of 1 MB', `a ${'x'.repeat(1 << 20)}\r\n`, /^\* BYE Command line too long$/],
  ['1 MB without a line end', 'x'.repeat(1 << 20), /^\* BYE Command line too long$/],
  ['100,000 parentheses', `a SEARCH ${'('.repeat(100_000)}\r\n`, /^\* BYE Command line too long$/],
  ['7,000 parentheses', `a STATUS INBOX ${'('.repeat(7_000)}\r\n`, /^a BAD Too many nested lists$/],
  ['7,000 times NOT', `a SEARCH ${'NOT '.repeat(1_700)}ALL\r\n`, /^a (BAD|NO|OK)/],
  ['a huge literal', 'a LOGIN {4294967295}\r\n', /^a BAD/],
  ['a literal that is no number', 'a LOGIN {-1}\r\n', /^a BAD Invalid literal$/],
  ['NULs', `${'\0'.repeat(5_000)}\r\n`, /^\* BAD Invalid tag$/],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^\* BAD Invalid tag$/],
]
describe('too much', () => {
  for (const state of ['anonymous', 'selected'])
    for (const [name, input, answer] of big)
      test(`${name}, ${state}`, { timeout: 60_000 }, async () => {
        const client = await connected(state)
        client.send(input)
        const lines = await answers(client)
        assert.ok(
          lines.some((line) => answer.test(line)),
          `${lines.slice(0, 5)}`,
        )
        await neighbourIsWell()
        client.destroy()
      })

  test('10,000 literals in one command', async () => {
    const client = await connected('selected')
    client.send(`a SEARCH${' {1+}\r\nx'.repeat(9_000)}\r\n`)
    assert.match((await client.until('a')).at(-1) ?? '', /^a (BAD|NO|OK)/)
    await neighbourIsWell()
    client.destroy()
  })
})

const { tables, ...registry } = createRegistry(COMMANDS, EXTENSIONS)
const verbs = COMMANDS.flatMap(({ names }) => names)
const words =
  'UID DONE INBOX inbox Sent "" * % NIL 1 1:* 0 * 4294967295 4294967296 1,2:3 $ (FLAGS) (\\Seen) FLAGS +FLAGS.SILENT BODY[] BODY[1.2.MIME] ENVELOPE ( ) (( )) " "x" "\\" ' +
  '{0} {1} {3+} ~{2} {9999999} {} \\Seen \\Recent x&y &- &Jjo- __proto__ constructor ALL NOT OR CHARSET UTF-8 UNSEEN HEADER (MESSAGES UNSEEN) PLAIN ='
const phrases =
  'BODY.PEEK[HEADER.FIELDS (A B)]<0.5>|"17-Jul-1996 02:44:25 -0700"|RETURN|RETURN (STATUS (MESSAGES DELETED))|RETURN (METADATA /shared/a)|(USE (\\Sent))|(STORAGE 1)|' +
  '(SUBSCRIBED RECURSIVEMATCH)|("*" %/%)|(/private/a "x")|(/shared/a NIL)|/private|(DEPTH infinity)|(MAXSIZE 1)'
const vocabulary = [
  ...[...verbs, ...Object.values(tables).flatMap((table) => [...table.keys()]), ...registry.names('selected')],
  ...[...words.split(' '), ...phrases.split('|')],
]
describe('rubbish', () => {
  for (const state of ['anonymous', 'authenticated', 'selected'])
    test(`by chance, ${state}`, { timeout: 120_000 }, async (t) => {
      t.diagnostic(`SEED=${SEED}`)
      const random = seeded(SEED + state.length)
      const octet = (): string => String.fromCharCode(random(256))
      const line = (): string => {
        const kind = random(10)
        if (kind === 0) return Array.from({ length: random(60) }, octet).join('')
        // Mostly a command comes first, or nothing would get far.
        const first = random(4) === 0 ? [] : [verbs[random(verbs.length)]]
        const words = [...first, ...Array.from({ length: random(6) }, () => vocabulary[random(vocabulary.length)])]
        const command = words.join(random(20) === 0 ? '  ' : ' ')
        return kind === 1 ? `a${random(99)} ${command}${octet()}` : `a${random(99)} ${command}`
      }
      let client = await connected(state)
      for (let round = 0; round < 60; round++) {
        for (let i = 0; i < 20; i++) client.send(`${line()}\r\n`)
        // Whatever waits for a literal or for DONE gets it.
        client.send(`${'x'.repeat(20)}\r\nDONE\r\n*\r\n`)
        const lines = await answers(client)
        const fault = lines.find((text) => text.includes('SERVERBUG') || text.includes('UNAVAILABLE'))
        assert.equal(fault, undefined)
        for (const text of lines) assert.ok(!/[\r\n]/.test(text))
        if (lines.at(-1)?.startsWith('last ') && random(3)) continue
        client.destroy()
        client = await connected(state)
      }
      client.destroy()
      await neighbourIsWell()
    })
})

test('nobody stays behind, and the log has no secret and no fault', async () => {
  for (let i = 0; i < 50 && server.connections > 1; i++) await new Promise((done) => setTimeout(done, 100))
  assert.equal(server.connections, 1)
  for (const line of logged) {
    assert.ok(!line.includes(PASSWORD) && !line.includes('Jul-1996'), line)
    assert.ok((JSON.parse(line) as { level: number }).level < 50, line)
  }
})
