/**
 * Every command there is, written wrongly in every way that its one right form suggests: each argument missing, twice, of another kind, too large; cut anywhere; in
 * every state. Each line gets its one tagged answer, no connection ends, nothing is a fault of the server, and a neighbour does not notice.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { COMMANDS } from '../../src/imap/commands/index.ts'
import { EXTENSIONS } from '../../src/imap/extensions/index.ts'
import { createRegistry } from '../../src/imap/registry.ts'
import type { State } from '../../src/imap/session.ts'
import { type ImapHouse, type ImapServer, imapHouse, PASSWORD } from '../support/imap.ts'
import { FORMS } from '../support/imap-forms.ts'
import { WireClient } from '../support/wire-client.ts'

const registry = createRegistry(COMMANDS, EXTENSIONS)
const NAMES = COMMANDS.flatMap(({ names }) => names).filter((name) => registry.find(name))
/** A loaded machine is slow; a blocked event loop is slower. */
const NEIGHBOUR_MS = 1_500
const MANY = 1_000_000
/** Another thing in an argument's place. */
const KINDS = [
  ...[
    'xyz',
    '"x"',
    '""',
    '(a b)',
    '()',
    '7',
    '0',
    'NIL',
    '4294967296',
    '18446744073709551616',
    '-1',
    '*',
    '%',
    '$',
    '1:*',
    '\\Seen',
    'BODY[]',
    '&',
    '"\xff"',
    'a\\b',
  ],
  ...[
    '{1+}\r\nx',
    '{0+}\r\n',
    '~{1+}\r\nx',
    '{3+}\r\n\0\r\n',
    '{200000+}\r\n',
    `"${'y'.repeat(2_000)}"`,
    `${'1,'.repeat(5_000)}1`,
    `${'('.repeat(60)}x${')'.repeat(60)}`,
  ],
]
/** 200,000 octets that somebody announces and sends are dropped like others. */
const octets = (line: string): string => line.replaceAll('{200000+}\r\n', `{200000+}\r\n${'z'.repeat(200_000)}`)

/** Arguments as they stand in a line: divided by spaces outside quotes and parentheses. */
function argumentsOf(text: string): string[] {
  const found: string[] = []
  let [depth, quoted, from] = [0, false, 0]
  for (let at = 0; at <= text.length; at++) {
    const char = text[at]
    if (char === '"') quoted = !quoted
    if (!quoted && char === '(') depth++
    if (!quoted && char === ')') depth--
    if (char !== undefined && (char !== ' ' || quoted || depth > 0)) continue
    if (at > from) found.push(text.slice(from, at))
    from = at + 1
  }
  return found
}

/** The arguments, and those of the lists among them, each with what stands before and behind it. */
function places(text: string, before = '', behind = ''): { before: string; argument: string; behind: string }[] {
  const all = argumentsOf(text)
  return all.flatMap((argument, i) => {
    const place = {
      before:
        before +
        all
          .slice(0, i)
          .map((one) => `${one} `)
          .join(''),
      argument,
      behind:
        all
          .slice(i + 1)
          .map((one) => ` ${one}`)
          .join('') + behind,
    }
    if (!/^\(.+\)$/s.test(argument)) return [place]
    return [place, ...places(argument.slice(1, -1), `${place.before}(`, `)${place.behind}`)]
  })
}

const written = (name: string): string => (FORMS[name] ? `${name} ${FORMS[name]}` : name)

function variants(name: string, form: string): Set<string> {
  const lines = new Set<string>()
  for (const { before, argument, behind } of places(form)) {
    for (const other of ['', `${argument} ${argument}`, `(${argument})`, `"${argument}"`, ...KINDS]) lines.add(`${name} ${before}${other}${behind}`)
  }
  const whole = written(name)
  for (let end = 1; end < whole.length; end++)
    if (!/\{\d+\+?\}$/.test(whole.slice(0, end)) && !whole.slice(0, end).includes('}\r\n')) lines.add(whole.slice(0, end))
  for (const more of [' ', '  x', ' x', ' (x)', ' "x"', ' {1+}\r\nx', ' NIL', ' 1', ')', '"', '(', '{', '\0', '\xe9']) lines.add(whole + more)
  lines.delete(whole)
  return lines
}

let house: ImapHouse
let server: ImapServer
const logged: string[] = []
before(async () => {
  house = await imapHouse(['ann', 'bob'])
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  server = await house.serve({
    log,
    limits: { bad: MANY, badAnonymous: MANY, idleCommands: { burst: MANY, perSecond: MANY }, sessionsPerAccount: 100, loginTime: 600_000 },
  })
  await house.append(
    'ann',
    'INBOX',
    Array.from({ length: 3 }, (_, i) => ({ text: `Subject: ${i}\r\n\r\nbody\r\n` })),
  )
  watching = watch()
})
after(async () => {
  over = true
  await watching
  await house.close()
})

/** Somebody else's session, which asks all the time. */
let over = false
let asked = 0
let slowest = 0
let watching: Promise<void>
async function watch(): Promise<void> {
  const neighbour = await connected('selected', 'bob')
  while (!over) {
    const start = performance.now()
    await neighbour.command(`n${++asked}`, 'NOOP')
    slowest = Math.max(slowest, performance.now() - start)
    await sleep(20)
  }
  neighbour.destroy()
}

async function connected(state: State | 'examined', user = 'ann'): Promise<WireClient> {
  const client = await WireClient.connect(server.port)
  await client.line()
  if (state === 'anonymous') return client
  assert.match((await client.command('in', `LOGIN ${user}@example.test "${PASSWORD}"`)).at(-1)!, /^in OK/)
  if (state !== 'authenticated') await client.command('in', `${state === 'examined' ? 'EXAMINE' : 'SELECT'} INBOX`)
  return client
}

/** What may end the connection before anybody has said who it is (RFC 7888 §5). */
const isFlood = (line: string): boolean => line.includes('{200000+}') || line.length > 8_000

/** Sends one line, and what ends a command that waits for more; returns the tagged answer, or BYE. */
async function answer(client: WireClient, tag: string, line: string): Promise<string> {
  client.send(octets(`${tag} ${line}\r\n`))
  for (;;) {
    const said = await client.line(10_000).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(line.slice(0, 200))}`))
    assert.ok(said !== undefined, `the connection ended: ${line.slice(0, 200)}`)
    if (/^\* BYE (?:Literal too large|Command line too long)$/.test(said) && isFlood(line)) return said
    assert.ok(!said.startsWith('* BYE') || /^LOGOUT/i.test(line), `${said}: ${line.slice(0, 200)}`)
    assert.ok(!/SERVERBUG|UNAVAILABLE/.test(said) || said.includes('Too many failed logins'), `${said}: ${line.slice(0, 200)}`)
    if (said === '+ idling') client.send('DONE\r\n')
    else if (said.startsWith('+ ')) client.send('*\r\n')
    if (!said.startsWith(`${tag} `)) continue
    assert.match(said, new RegExp(`^${tag} (OK|NO|BAD) `))
    return said
  }
}

test('every command has its form', () => {
  for (const name of NAMES) assert.ok(FORMS[name] !== undefined, `${name} has no form in test/support/imap-forms.ts`)
})

describe('written wrongly', { concurrency: 4 }, () => {
  for (const name of NAMES) {
    const command = registry.find(name)!.command
    const state: State = command.states.includes('selected') ? 'selected' : command.states[0]!
    test(name, async () => {
      let client = await connected(state)
      let n = 0
      for (const line of variants(name, FORMS[name] ?? '')) {
        const said = await answer(client, `v${++n}`, line)
        // What was right after all may have changed the state.
        if (!said.includes(' OK ') && !said.startsWith('* BYE')) continue
        if (/^(?:LOGOUT|COMPRESS|UNAUTHENTICATE)/i.test(line) || state !== 'selected') {
          client.destroy()
          client = await connected(state)
        } else await client.command(`s${n}`, 'SELECT INBOX')
      }
      client.destroy()
    })
  }
})

describe('in a state', () => {
  for (const state of ['anonymous', 'authenticated', 'selected', 'examined'] as const)
    test(state, async () => {
      let client = await connected(state)
      let n = 0
      for (const name of NAMES) {
        const { command } = registry.find(name)!
        const said = await answer(client, `w${++n}`, written(name))
        const inState = state === 'examined' ? 'selected' : state
        if (!command.states.includes(inState)) assert.match(said, / BAD /, name)
        else if (state === 'examined' && command.writes) assert.match(said, / NO \[READ-ONLY\] /, name)
        else if (state === 'selected') assert.doesNotMatch(said, / BAD /, name)
        client.destroy()
        client = await connected(state)
      }
      client.destroy()
    })
})

test('meanwhile a neighbour was answered, and nothing was a fault of the server', () => {
  assert.ok(asked > 50 && slowest < NEIGHBOUR_MS, `${asked} answers, the slowest after ${Math.round(slowest)} ms`)
  for (const line of logged) assert.ok((JSON.parse(line) as { level: number }).level < 50, line)
})
