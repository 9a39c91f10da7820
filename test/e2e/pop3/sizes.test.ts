/** 1,000 messages that nobody should send: what STAT and LIST say is what RETR sends, octet for octet, with Outlook's repairs and without. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Listener } from '../../../src/net/listener.ts'
import { hardMails } from '../../support/corpus.ts'
import { seeded } from '../../support/random.ts'
import { Client, type House, pop3House, quit } from './harness.ts'

const COUNT = 1_000
const LARGE = 100_000
const PIECES = [
  'Subject: x',
  'From: a@b',
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  '\0',
  '.',
  '..',
  ' ',
  '\r\n\r\n',
  '\n\n',
  '\r\n.\r\n',
  '\n.\n',
  'text',
  '\xff',
  '\x80',
  '\t',
  ':',
]

function made(seed: number): Buffer[] {
  const chance = seeded(seed)
  const fixed = [
    '',
    '\r\n',
    '\n',
    '\r',
    '\0',
    '.',
    '.\r\n',
    'x',
    'Subject: x\r\n',
    'Subject: x\n',
    'Subject: x',
    'a\r\n\r\n',
    'a\n\n',
    'a\n\r\n',
    'a\r\n\n',
    '\0\r\n\0',
    '\r\r\n',
  ]
  const hard = hardMails(0).filter(({ bytes }) => bytes.length < LARGE)
  const mails = [...fixed.map((text) => Buffer.from(text, 'latin1')), ...hard.map(({ bytes }) => bytes)]
  while (mails.length < COUNT) {
    const text = Array.from({ length: chance(14) }, () => PIECES[chance(PIECES.length)]).join('')
    // One in a hundred has more than one chunk.
    mails.push(Buffer.from(chance(100) === 0 ? `${text}\r\n\r\n${`${'long \0line'.repeat(30)}\n`.repeat(1000)}` : text, 'latin1'))
  }
  return mails
}

/** What a client is to get, as RFC 1939 and the policy have it: written without a look at the server. */
function expected(raw: Buffer, repairs: boolean): string {
  let text = raw.toString('latin1').replace(/(?<!\r)\n/g, '\r\n')
  if (text !== '' && !text.endsWith('\n')) text += '\r\n'
  if (!repairs) return text
  if (!/(^|\n)\r\n/.test(text)) text += '\r\n'
  return text.replaceAll('\0', '\x80')
}

let house: House
let listener: Listener
const mails = made(20_261)
before(async () => {
  house = await pop3House({ anna: 'client', ben: { outlookRepairs: true } })
  listener = await house.serve()
  for (const user of ['anna', 'ben']) await house.append(user, mails)
})
after(() => house.close())

async function replies(client: Client, commands: readonly string[]): Promise<string[]> {
  const texts: string[] = []
  for (let at = 0; at < commands.length; at += 50) {
    const some = commands.slice(at, at + 50)
    client.say(some.map((line) => `${line}\r\n`).join(''))
    for (const line of some) {
      assert.match((await client.line()) ?? '<closed>', /^\+OK/, line)
      texts.push((await client.rest()).map((one) => `${one}\r\n`).join(''))
    }
  }
  return texts
}

for (const [user, repairs] of [
  ['anna', false],
  ['ben', true],
] as const)
  test(`${repairs ? 'with' : 'without'} repairs: STAT, LIST, RETR and TOP agree`, async () => {
    const client = await Client.login(house, listener, user)
    const [count, octets] = (await client.ok('STAT')).split(' ').map(Number)
    const sizes = (await client.list('LIST')).map((line) => Number(line.split(' ')[1]))
    const numbers = mails.map((_, i) => i + 1)
    const got = await replies(
      client,
      numbers.map((n) => `RETR ${n}`),
    )
    const wanted = mails.map((raw) => expected(raw, repairs))
    got.forEach((text, i) => {
      assert.equal(text, wanted[i], `message ${i + 1}: ${JSON.stringify(mails[i]!.toString('latin1').slice(0, 100))}`)
    })
    assert.deepEqual(
      sizes,
      got.map((text) => text.length),
    )
    assert.equal(count, COUNT)
    assert.equal(
      octets,
      sizes.reduce((sum, size) => sum + size, 0),
    )
    const tops = await replies(
      client,
      numbers.map((n) => `TOP ${n} 2`),
    )
    tops.forEach((top, i) => {
      const whole = wanted[i]!
      // A message without a blank line gets one in TOP in any case.
      const end = /(^|\n)\r\n/.exec(whole)
      const header = end ? whole.slice(0, end.index + end[0].length) : `${whole}\r\n`
      const body = end ? /^(?:[^\n]*\n){0,2}/.exec(whole.slice(header.length))![0] : ''
      assert.equal(top, header + body, `TOP of ${i + 1}`)
    })
    if (repairs) assert.ok(!got.concat(tops).some((text) => text.includes('\0') || !/(^|\n)\r\n/.test(text)))
    await quit(client)
  })

test('mail that comes later is counted as it is sent too, and the repairs are a policy of the session', async () => {
  const more = Buffer.from('Subject: later\r\nX: \0')
  for (const [user, size] of [
    ['ben', 24],
    ['anna', 22],
  ] as const) {
    await house.append(user, [more])
    const client = await Client.login(house, listener, user)
    assert.equal(await client.ok(`LIST ${COUNT + 1}`), `${COUNT + 1} ${size}`)
    assert.equal((await client.message(`RETR ${COUNT + 1}`)).length, size)
    await quit(client)
  }
})
