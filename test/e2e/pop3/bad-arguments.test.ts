/** Every command with every argument that it should not get, in every state, over TLS: -ERR in words, the connection closed after the limit, nothing deleted, others served. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Listener } from '../../../src/net/listener.ts'
import { COMMANDS } from '../../../src/pop3/commands/index.ts'
import { POP3_LIMITS } from '../../../src/pop3/limits.ts'
import { Client, type House, pop3House, quit } from './harness.ts'

let house: House
/** With the limits that everybody has, and with hardly any. */
let strict: Listener
let patient: Listener
let plain: Listener
let bystander: Client
before(async () => {
  house = await pop3House({ anna: 'client', ben: 'client' })
  strict = await house.serve()
  patient = await house.serve({ limits: { bad: 10_000, badAnonymous: 10_000 } })
  plain = await house.serve({ plain: true, limits: { badAnonymous: 10_000 } })
  await house.append('anna', ['Subject: one\r\n\r\nbody\r\n', 'Subject: two\r\n\r\nbody\r\n'])
  bystander = await Client.login(house, patient, 'ben')
})
after(async () => {
  await quit(bystander)
  await house.close()
})
/** One that fails must not keep the maildrop from the next. */
let last: Client | undefined
async function anna(listener: Listener): Promise<Client> {
  last = await Client.loginWhenFree(house, listener, 'anna')
  return last
}
afterEach(async () => {
  last?.drop()
  await bystander.ok('NOOP')
  assert.equal(await house.count('anna'), 2)
})

/** No number of a message, whatever else. */
const NO_NUMBERS = [
  ...['-1', '+1', '-0', '1.0', '1e0', '1e400', '0x1', '0b1', '1_000', '1,000', '1:2', '1:*', '*', '$', 'one', 'NaN', 'Infinity', 'null', 'undefined'],
  ...['__proto__', '"1"', "'1'", '(1)', '{1}', '{1+}', '%31', '%s%n', '1;2', '1\0', '\0', '\x001', '1\r2', '1\t', '\t1', '\x7f', '\x80', '\xff\xfe'],
  ...['\xef\xbc\x91', '\xd9\xa1', '1\xc2\xa0', '../1', '1/2', "1' or '1'='1", '1 2', '1 1 1', '1 x', `1${' '.repeat(500)}2`],
]
/** Numbers that no message of two has. */
const NO_MESSAGES = [
  ...['0', '00', '3', '2147483647', '2147483648', '4294967295', '4294967296', '4294967297', '9007199254740993', '18446744073709551616'],
  ...['9'.repeat(400), '9'.repeat(8_000), `${'0'.repeat(8_000)}0`],
]
const NUMBERS = [...NO_NUMBERS, ...NO_MESSAGES]
const SOMETHING = ['x', '1', '\0', '\xff', '-', 'now', `${'x'.repeat(8_000)}`, 'a b c', '\x1b[2J']
const EMPTY = ['', ' ', '     ']
const with_ = (name: string, rest: readonly string[]): string[] => rest.map((each) => `${name} ${each}`)

/** What is refused after login, by command: its form is wrong, or there is nothing that it means. */
const AFTER_LOGIN: Readonly<Record<string, readonly string[]>> = {
  CAPA: with_('CAPA', SOMETHING),
  STAT: with_('STAT', SOMETHING),
  NOOP: with_('NOOP', SOMETHING),
  RSET: with_('RSET', SOMETHING),
  LIST: with_('LIST', NUMBERS),
  UIDL: with_('UIDL', NUMBERS),
  RETR: ['RETR', ...with_('RETR', [...EMPTY, ...NUMBERS])],
  DELE: ['DELE', ...with_('DELE', [...EMPTY, ...NUMBERS])],
  TOP: [
    'TOP',
    ...with_('TOP', EMPTY),
    ...with_(
      'TOP',
      NUMBERS.filter((n) => !/^[^ ]+ [0-9]+$/.test(n)).flatMap((n) => [n, `${n} 1`]),
    ),
    ...with_(
      'TOP',
      NO_NUMBERS.map((n) => `1 ${n}`),
    ),
    ...['TOP 1', 'TOP 1 ', 'TOP 1  1', 'TOP 1\t1', 'TOP 1 -9223372036854775808'],
  ],
  // Not of this state, whatever comes with them.
  STLS: ['STLS', 'STLS x'],
  USER: ['USER', 'USER ben@example.test', 'USER \xff'],
  PASS: ['PASS', 'PASS correct horse', 'PASS \0'],
  AUTH: ['AUTH', 'AUTH ', 'AUTH PLAIN', 'AUTH PLAIN AGFubmEA', 'AUTH x'],
  UTF8: ['UTF8', 'UTF8 x'],
  LANG: with_('LANG', ['de', 'x y', '\0', '\xff', 'en_GB', '-', 'x'.repeat(8_000), 'mul', '**']),
  // Ends the session, and so stands alone below.
  QUIT: [],
}

/** The same before login. */
const BEFORE_LOGIN: Readonly<Record<string, readonly string[]>> = {
  ...AFTER_LOGIN,
  ...Object.fromEntries(
    ['STAT', 'NOOP', 'RSET', 'LIST', 'UIDL'].map((name) => [name, [name, `${name} 1`, `${name} \0`, `${name} ${'9'.repeat(8_000)}`]]),
  ),
  RETR: ['RETR', 'RETR 1', 'RETR \0'],
  DELE: ['DELE', 'DELE 1', 'DELE 99'],
  TOP: ['TOP', 'TOP 1', 'TOP 1 1'],
  STLS: ['STLS', 'STLS x'],
  USER: ['USER', 'USER ', 'USER     ', 'USER \xff', 'USER \xc3(', 'USER \xed\xa0\x80', 'USER \xe2\x80\x8f'],
  PASS: ['PASS', 'PASS ', 'PASS x', 'PASS \xff'],
  AUTH: [
    ...with_('AUTH', ['x', 'PLAIN !', 'PLAIN =', 'PLAIN a b', 'GSSAPI', 'CRAM-MD5', '*', '\0', `PLAIN ${'A'.repeat(7_999)}`, `${'X'.repeat(8_000)}`]),
  ],
  UTF8: with_('UTF8', SOMETHING),
}

/** Lines that are no command at all. */
const NO_COMMANDS = [
  ...[
    '',
    ' ',
    '  ',
    '\t',
    '\0',
    '\0\0\0\0',
    '\r',
    'NOOP\rNOOP',
    '\rNOOP',
    'NO OP',
    'NOOP\0',
    '\0NOOP',
    ' NOOP',
    '\tNOOP',
    'NOOP\t',
    'ΝΟΟΡ',
    '\xff\xfe\xfd',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString x',
    'a1 NOOP',
    '* OK',
    '+OK',
    '-ERR',
    '.',
    '..',
    'EHLO x',
    'a LOGIN b c',
    'APOP a b',
    'LAST',
    'XTND',
    'X'.repeat(8_000),
  ],
  ...['\x16\x03\x01\x02\x00\x01\x00\x01', '\x80\x2e\x01', '{"a":1}', '<?xml version="1.0"?>', '\x1b]0;x\x07', "'; drop table account; --"],
]

test('the tables name every command', () => {
  const names = COMMANDS.map(({ name }) => name).sort()
  assert.deepEqual(Object.keys(AFTER_LOGIN).sort(), names)
  assert.deepEqual(Object.keys(BEFORE_LOGIN).sort(), names)
})

const IN_WORDS = /^-ERR (?:\[[A-Z/-]+\] )?[A-Z][\x20-\x7e]{5,200}$/

/** All at once, and one answer to each, in words that repeat nothing. */
async function refuseAll(client: Client, lines: readonly string[]): Promise<void> {
  client.say(lines.map((line) => `${line}\r\n`).join(''))
  for (const line of lines) {
    const reply = await client.line()
    const shown = JSON.stringify(line.slice(0, 60))
    assert.match(reply ?? '<closed>', IN_WORDS, shown)
    const argument = line.slice(line.indexOf(' ') + 1)
    if (argument.length > 8) assert.ok(!reply!.includes(argument), shown)
  }
}

for (const name of Object.keys(AFTER_LOGIN)) {
  test(`logged in: ${name}`, async () => {
    const client = await anna(patient)
    await refuseAll(client, AFTER_LOGIN[name]!)
    assert.equal((await client.ok('STAT')).split(' ')[0], '2')
    await quit(client)
  })
  test(`before login: ${name}`, async () => {
    const client = await Client.connect(house, patient)
    await refuseAll(client, BEFORE_LOGIN[name]!)
    await client.list('CAPA')
    await quit(client)
  })
}

test('before TLS: everything, and then STLS', async () => {
  const client = await Client.plain(plain)
  const all = Object.entries(BEFORE_LOGIN).flatMap(([name, lines]) => (name === 'STLS' ? ['STLS x', 'STLS \0'] : [...lines, ...AFTER_LOGIN[name]!]))
  await refuseAll(client, [...all, ...NO_COMMANDS])
  await client.ok('STLS')
  await quit(await client.secured(house))
})

test('no commands: before login and after it', async () => {
  const anonymous = await Client.connect(house, patient)
  await refuseAll(anonymous, NO_COMMANDS)
  await quit(anonymous)
  const client = await anna(patient)
  await refuseAll(client, [...NO_COMMANDS, 'GET / HTTP/1.1', 'POST /'])
  await quit(client)
})

test('spaces behind a number or a command are nobody’s fault', async () => {
  const client = await anna(patient)
  for (const line of ['LIST 1 ', 'UIDL 2  ', 'DELE 1 ', 'RSET ', 'NOOP  ', 'STAT ', 'LIST  1', `LIST ${'0'.repeat(300)}1`]) await client.ok(line)
  for (const lines of ['0', '1', '18446744073709551616', '9'.repeat(8_000)]) await client.message(`TOP 1 ${lines}`)
  await quit(client)
})

/** Numbers that no message has are asked for by honest clients too: what counts is what is no command, or no number. */
const counting = (lines: readonly string[], limit: number): string[] => Array.from({ length: limit }, (_, i) => lines[i % lines.length]!)
for (const [what, lines] of Object.entries({
  'no commands': NO_COMMANDS,
  'no numbers': with_('RETR', NO_NUMBERS),
  'wrong state': ['USER x', 'STLS', 'UTF8'],
}))
  test(`${what}: after ${POP3_LIMITS.bad} of them the connection ends, and what was marked stays`, async () => {
    const client = await anna(strict)
    await client.ok('DELE 1')
    const some = counting(lines, POP3_LIMITS.bad)
    client.say([...some, 'NOOP', 'QUIT'].map((line) => `${line}\r\n`).join(''))
    for (const [i, line] of some.entries()) {
      const reply = (await client.line()) ?? '<closed>'
      assert.match(reply, i < some.length - 1 ? IN_WORDS : /, and that was the last try$/, JSON.stringify(line.slice(0, 60)))
    }
    await client.closed()
  })

test('QUIT with an argument ends the session and deletes nothing; commands behind QUIT are not run', async () => {
  for (const line of ['QUIT now', 'QUIT \0', `QUIT ${'x'.repeat(8_000)}`]) {
    const client = await anna(strict)
    await client.ok('DELE 1')
    await client.err(line, IN_WORDS)
    await client.closed()
    assert.equal(await house.count('anna'), 2)
  }
  const client = await anna(strict)
  client.say('QUIT\r\nDELE 1\r\nQUIT\r\n')
  assert.match((await client.line()) ?? '', /^\+OK Goodbye/)
  await client.closed()
})

test('half-closed: what came whole is answered, half a line is not run, and without QUIT nothing is deleted', async () => {
  for (const end of ['', 'QUIT', 'QUI', 'QUIT\r', 'RSET', '\0']) {
    const client = await anna(strict)
    client.say(`DELE 1\r\nSTAT\r\nTOP 2 0\r\n${end}`)
    client.socket.end()
    assert.match((await client.line()) ?? '', /^\+OK /)
    assert.match((await client.line()) ?? '', /^\+OK 1 /)
    assert.match((await client.line()) ?? '', /^\+OK /)
    await client.rest()
    await client.closed()
    await quit(await anna(strict))
    assert.equal(await house.count('anna'), 2, JSON.stringify(end))
  }
})

test('half-closed before login, and within AUTH', async () => {
  for (const text of ['', 'CAPA\r\n', 'USER anna@example.test\r\nPASS', 'AUTH PLAIN\r\n', 'AUTH PLAIN\r\nAGFubmE']) {
    const client = await Client.connect(house, strict)
    client.say(text)
    client.socket.end()
    for (let line = await client.line(); line !== undefined; line = await client.line()) assert.doesNotMatch(line, /Maildrop/)
  }
})

test('one octet at a time, and lines that end in LF alone', async () => {
  const client = await anna(strict)
  for (const octet of 'DELE 1\nRSET\r\nSTAT\n') {
    client.say(octet)
    await sleep(1)
  }
  for (const reply of [/^\+OK Marked/, /^\+OK Maildrop/, /^\+OK 2 /]) assert.match((await client.line()) ?? '', reply)
  await quit(client)
})

test('rubbish of every size: refused in words until the limit, then the end', async () => {
  for (const octets of [1, 10, 1_000, 100_000, 1_000_000])
    for (const open of [() => Client.connect(house, strict), () => anna(strict)]) {
      const client = await open()
      client.say(randomBytes(octets))
      client.say('\r\nQUIT\r\n')
      for (let line = await client.line(); line !== undefined; line = await client.line()) assert.match(line, /^(\+OK Goodbye|-ERR [\x20-\x7e]+)$/)
    }
})

test('a line of 1 MB in each command, before login and after it', async () => {
  const long = '9'.repeat(1 << 20)
  for (const name of ['LIST', 'TOP 1', 'USER', 'PASS', 'AUTH', 'AUTH PLAIN', 'X'])
    for (const open of [() => Client.connect(house, strict), () => anna(strict)]) {
      const client = await open()
      client.say(`${name} ${long}\r\nQUIT\r\n`)
      assert.equal(await client.line(), '-ERR The line is too long')
      await client.closed()
    }
})

test('a reader that takes nothing holds no neighbour up, and its own commands wait', async () => {
  const client = await anna(strict)
  client.socket.pause()
  client.say('LIST\r\nTOP 1 9\r\nUIDL\r\nRETR 2\r\n'.repeat(20_000))
  let worst = 0
  for (let i = 0; i < 20; i++) {
    const from = performance.now()
    await bystander.ok('STAT')
    worst = Math.max(worst, performance.now() - from)
    await sleep(10)
  }
  assert.ok(worst < 2_000, `a bystander waited ${worst} ms`)
  client.drop()
})
