/** A session says the same however its commands come: each after the answer to the one before, all at once, or cut anywhere. RFC 1939 §3, RFC 2449 §6.6. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Listener } from '../../../src/net/listener.ts'
import { seeded } from '../../support/random.ts'
import { Client, type House, pop3House, quit } from './harness.ts'

const MESSAGES = 300
const COMMANDS = 400
const SEEDS = [1, 2, 3]
/** A cut is followed by a pause this often. */
const PAUSE_ONE_IN = 4

let house: House
let listener: Listener
before(async () => {
  house = await pop3House({ anna: 'client' })
  listener = await house.serve()
  const random = seeded(7)
  // Some go out from memory, some are read piece by piece, some have dots to double.
  const text = (n: number): string =>
    `Subject: message ${n}\r\n\r\n${`${n % 7 === 0 ? '.' : ''}line ${n}\r\n`.repeat(1 + random(n % 40 === 0 ? 40_000 : 300))}`
  await house.append(
    'anna',
    Array.from({ length: MESSAGES }, (_, n) => text(n + 1)),
  )
})
after(() => house.close())

/** Mostly what a client does, which is one message after the other, and now and then something else. */
function commandsOf(seed: number): string[] {
  const random = seeded(seed)
  const commands: string[] = []
  let next = 1
  while (commands.length < COMMANDS) {
    const any = 1 + random(MESSAGES)
    const kinds = [
      `LIST ${any}`,
      `UIDL ${any}`,
      `TOP ${any} ${random(9)}`,
      `RETR ${any}`,
      `DELE ${any}`,
      'STAT',
      'RSET',
      'LIST',
      'UIDL',
      'NOOP',
      'RETR 0',
      'CAPA',
    ]
    if (random(3) > 0) commands.push(`RETR ${next}`, ...(random(2) > 0 ? [`DELE ${next}`] : []))
    else commands.push(kinds[random(kinds.length)]!)
    next = (next % MESSAGES) + 1
  }
  return [...commands, 'RSET', 'STAT']
}

const MULTILINE = /^(RETR|TOP|CAPA|LIST$|UIDL$)/

async function answer(client: Client, command: string): Promise<string[]> {
  const heard = [(await client.line()) ?? 'the end']
  if (MULTILINE.test(command) && heard[0]!.startsWith('+OK')) while (heard.at(-1) !== '.') heard.push((await client.line()) ?? '.')
  return heard
}

async function answers(client: Client, commands: readonly string[]): Promise<string[][]> {
  const heard: string[][] = []
  for (const command of commands) heard.push(await answer(client, command))
  return heard
}

async function inTurn(client: Client, commands: readonly string[]): Promise<string[][]> {
  const heard: string[][] = []
  for (const command of commands) {
    client.say(`${command}\r\n`)
    heard.push(await answer(client, command))
  }
  return heard
}

async function cut(client: Client, octets: string, random: (n: number) => number): Promise<void> {
  for (let at = 0; at < octets.length; ) {
    const size = 1 + random(random(3) === 0 ? 300 : 12)
    client.say(octets.slice(at, at + size))
    at += size
    if (random(PAUSE_ONE_IN) === 0) await sleep(random(2))
  }
}

for (const seed of SEEDS)
  test(`${COMMANDS} commands, in turn, at once, and cut anywhere: seed ${seed}`, async () => {
    const commands = commandsOf(seed)
    const octets = commands.map((command) => `${command}\r\n`).join('')
    const first = await Client.loginWhenFree(house, listener, 'anna')
    const wanted = await inTurn(first, commands)
    await quit(first)
    assert.ok(wanted.flat().length > MESSAGES, 'much was said')
    const ways: [string, (client: Client) => void | Promise<void>][] = [
      ['at once', (client) => client.say(octets)],
      ['cut', (client) => cut(client, octets, seeded(seed))],
    ]
    for (const [way, say] of ways) {
      const client = await Client.loginWhenFree(house, listener, 'anna')
      const [heard] = await Promise.all([answers(client, commands), say(client)])
      for (const [n, command] of commands.entries()) assert.deepEqual(heard[n], wanted[n], `${way}: ${command}, number ${n}`)
      await quit(client)
    }
  })
