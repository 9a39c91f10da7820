/** What is under way when the server is killed: deliveries, and each command that changes a mailbox. */
import assert from 'node:assert/strict'
import type { House, Round, Scenario, User } from './kill-points.ts'
import { PASSWORD, Wire } from './kill-points.ts'

const SMTP = /^\d{3} /
const REPLY = /^a /

interface Mail {
  readonly to: readonly User[]
  readonly octets: number
}

/** Moments of a client that sends. */
export const SENDING = ['after RCPT', 'in DATA', 'after the final dot', 'after 250, before QUIT'] as const

/** true: 250 came. */
async function send(house: House, to: readonly User[], text: string, at: (moment: string) => Promise<void>): Promise<boolean> {
  const wire = await Wire.open(house.server, 'mx')
  try {
    for (const line of ['EHLO c', 'MAIL FROM:<a@else.example>', ...to.map((user) => `RCPT TO:<${user}@example.test>`)])
      if (!(await wire.say(line, SMTP)).startsWith('250')) return false
    await at('after RCPT')
    if (!(await wire.say('DATA', SMTP)).startsWith('354')) return false
    const half = text.length >> 1
    wire.send(text.slice(0, half))
    await at('in DATA')
    wire.send(`${text.slice(half)}\r\n.\r\n`)
    await at('after the final dot')
    if (!(await wire.line()).startsWith('250')) return false
    await at('after 250, before QUIT')
    await wire.say('QUIT', SMTP)
    return true
  } finally {
    wire.close()
  }
}

const delivery = ({ to, octets }: Mail): Scenario => ({
  name: `delivery of ${octets} octets to ${to.length}`,
  statements: ['stage_chunk', 'content_copy_chunks', 'begin', 'land', 'content_adopt', 'commit', 'op_release'],
  moments: SENDING,
  async begin(house, round) {
    // Not to be compressed away.
    const text = `Subject: ${octets} to ${to.length}, ${round}\r\n\r\n${`${'line '.repeat(15)}\r\n`.repeat(octets / 77)}last of ${octets} to ${to.length}, ${round}`
    const before = await Promise.all(to.map(async (user) => (await house.count(user)).exists))
    return {
      act: (at = async () => {}) => send(house, to, text, at),
      retry: () => send(house, to, text, async () => {}),
      async check(acknowledged, where) {
        for (const [i, user] of to.entries()) {
          const more = (await house.count(user)).exists - before[i]!
          assert.ok(more <= 1, `${where}: ${user} has it ${more} times`)
          if (acknowledged !== false) assert.equal(more, 1, `${where}: ${user}`)
          if (more === 1 && octets > 1_000) assert.ok(await house.endsWith(user, `last of ${octets} to ${to.length}, ${round}\r\n`), where)
        }
      },
      close() {},
    } satisfies Round
  },
})

/** bob writes to ann, and where `held` to elsewhere too; his copy is in Sent. */
async function submit(house: House, text: string, held: boolean, at: (moment: string) => Promise<void>): Promise<boolean> {
  const wire = await Wire.open(house.server, 'submissions')
  try {
    const login = Buffer.from(`\0bob@example.test\0${PASSWORD}`).toString('base64')
    const to = ['RCPT TO:<ann@example.test>', ...(held ? ['RCPT TO:<a@else.example>'] : [])]
    for (const line of ['EHLO c', `AUTH PLAIN ${login}`, `MAIL FROM:<bob@example.test>${held ? ' HOLDFOR=86400' : ''}`, ...to])
      if (!/^2[35]/.test(await wire.say(line, SMTP))) return false
    if (!(await wire.say('DATA', SMTP)).startsWith('354')) return false
    wire.send(`${text}\r\n.\r\n`)
    await at('after the final dot')
    if (!(await wire.line()).startsWith('250')) return false
    await at('after 250, before QUIT')
    await wire.say('QUIT', SMTP)
    return true
  } finally {
    wire.close()
  }
}

const submission = ({ held, octets }: { readonly held: boolean; readonly octets: number }): Scenario => ({
  name: `submission of ${octets} octets, ${held ? 'held' : 'delivered'}`,
  statements: [
    ...['stage_chunk', 'begin', 'queue_enqueue', 'land', 'content_adopt', 'op_note', 'mailbox_lock', 'sent_note', 'sent_filed'],
    'op_settle',
    'commit',
  ],
  moments: ['after the final dot', 'after 250, before QUIT'],
  async begin(house, round) {
    const head = `Message-ID: <${octets}-${held}-${round}@x>\r\nFrom: bob@example.test\r\nDate: ${new Date().toUTCString()}\r\nSubject: ${round}\r\n\r\n`
    const text = `${head}${`${'line '.repeat(15)}\r\n`.repeat(octets / 77)}end`
    const accepted = async () => (held ? (await house.number('select count(*) from queue')) / 2 : (await house.count('ann')).exists)
    const before = [await accepted(), (await house.count('bob', 'Sent')).exists] as const
    return {
      act: (at = async () => {}) => submit(house, text, held, at),
      retry: () => submit(house, text, held, async () => {}),
      async check(acknowledged, where) {
        const { exists, seen } = await house.count('bob', 'Sent')
        const [message, copy] = [(await accepted()) - before[0], exists - before[1]]
        assert.ok(message <= 1 && copy <= message && seen === exists, `${where}: ${message} accepted, ${copy} in Sent`)
        if (acknowledged !== false) assert.deepEqual([message, copy], [1, 1], where)
      },
      close() {},
    } satisfies Round
  },
})

interface Command {
  readonly name: string
  readonly statements: readonly string[]
  readonly messages: number
  readonly flags?: readonly string[]
  run(wire: Wire, target: string): Promise<string>
  /** Messages in the source, read ones among them, and messages in the target: undone and done. */
  readonly undone: readonly number[]
  readonly done: readonly number[]
}

const command = ({ name, statements, messages, flags, run, undone, done }: Command): Scenario => ({
  name,
  statements,
  async begin(house, round) {
    const source = `${name.replaceAll(/\W+/g, '-')}-${round}`
    const target = `${source}-to`
    await house.filled(source, messages, flags)
    await house.filled(target, 0)
    const wire = await house.imap('ann')
    assert.match(await wire.say(`a select "${source}"`, REPLY), /^a OK/)
    return {
      act: async () => (await run(wire, target)).startsWith('a OK'),
      async check(acknowledged, where) {
        const { exists, seen } = await house.count('ann', source)
        const found = [exists, seen, (await house.count('ann', target)).exists]
        const allowed = acknowledged === false ? [undone, done] : [done]
        assert.ok(
          allowed.some((one) => one.join() === found.join()),
          `${where}: ${found} is none of ${allowed.join(' | ')}${acknowledged ? ', and it was acknowledged' : ''}`,
        )
      },
      close: () => wire.close(),
    } satisfies Round
  },
})

const append = (octets: number): Scenario =>
  command({
    name: `APPEND of ${octets}`,
    statements: ['stage_chunk', 'begin', 'land', 'content_adopt', 'commit'],
    messages: 2,
    undone: [2, 0, 0],
    done: [2, 0, 1],
    async run(wire, target) {
      const text = `Subject: x\r\n\r\n${'y'.repeat(octets)}\r\n`
      if (!(await wire.say(`a append "${target}" {${text.length}}`, /^[+a] /)).startsWith('+')) return ''
      return wire.say(text, REPLY)
    },
  })

const IN_STEPS = ['begin', 'op_note', 'mailbox_lock', 'mailbox_next', 'op_settle', 'commit']

const AT_QUIT = ['begin', 'op_note', 'mailbox_lock', 'lease_fence', 'mailbox_next', 'op_settle', 'commit', 'lease_release']

/** Two new messages in the maildrop, and a session in it. */
async function inMaildrop(house: House, user: User, round: number): Promise<{ wire: Wire; last: number }> {
  // A killed server may have forgotten that it was heard: the same text again would be a retry.
  for (const nth of ['first', 'second']) assert.ok(await send(house, [user], `Subject: ${nth} for POP3, ${round}\r\n\r\nx`, async () => {}))
  const last = (await house.count(user)).exists
  return { wire: await house.pop3(user), last }
}

const quit: Scenario = {
  name: 'QUIT of POP3',
  statements: AT_QUIT,
  async begin(house, round) {
    const { wire, last } = await inMaildrop(house, 'bob', round)
    return {
      async act() {
        for (const n of [last - 1, last]) await wire.say(`DELE ${n}`, /^[+-]/)
        return (await wire.say('QUIT', /^[+-]/)).startsWith('+OK')
      },
      async check(acknowledged, where) {
        const { exists } = await house.count('bob')
        const allowed = acknowledged ? [last - 2] : [last, last - 2]
        assert.ok(allowed.includes(exists), `${where}: ${last} became ${exists}${acknowledged ? ', acknowledged' : ''}`)
      },
      close: () => wire.close(),
    } satisfies Round
  },
}

/** What was fetched and what was marked are moved, and the one counts as read: together. */
const quitToTrash: Scenario = {
  name: 'QUIT of POP3, to Trash',
  statements: AT_QUIT,
  async begin(house, round) {
    const { wire, last } = await inMaildrop(house, 'cat', round)
    const before = await house.count('cat', 'Trash')
    return {
      async act() {
        await wire.say(`RETR ${last - 1}`, /^(\.$|-)/)
        await wire.say(`DELE ${last}`, /^[+-]/)
        return (await wire.say('QUIT', /^[+-]/)).startsWith('+OK')
      },
      async check(acknowledged, where) {
        const { exists, seen } = await house.count('cat', 'Trash')
        const found = [(await house.count('cat')).exists - last, exists - before.exists, seen - before.seen]
        const allowed = acknowledged
          ? [[-2, 2, 1]]
          : [
              [0, 0, 0],
              [-2, 2, 1],
            ]
        assert.ok(
          allowed.some((one) => one.join() === found.join()),
          `${where}: ${found} is none of ${allowed.join(' | ')}`,
        )
      },
      close: () => wire.close(),
    } satisfies Round
  },
}

export const SMALL = delivery({ to: ['ann'], octets: 500 })
export const LARGE_TO_THREE = delivery({ to: ['ann', 'bob', 'cat'], octets: 700_000 })
export const MOVE = command({
  name: 'MOVE',
  statements: IN_STEPS,
  messages: 20,
  undone: [20, 0, 0],
  done: [0, 0, 20],
  run: (wire, target) => wire.say(`a move 1:20 "${target}"`, REPLY),
})
export const STORE = command({
  name: 'STORE 1:1000',
  statements: ['mailbox_move_on', ...IN_STEPS],
  messages: 1_000,
  undone: [1_000, 0, 0],
  done: [1_000, 1_000, 0],
  run: (wire) => wire.say('a store 1:1000 +flags.silent (\\Seen)', REPLY),
})
export const SUBMISSION = submission({ held: true, octets: 700 })
export const QUIT = quit
export const QUIT_TO_TRASH = quitToTrash

export const SCENARIOS: readonly Scenario[] = [
  SMALL,
  delivery({ to: ['ann', 'bob', 'cat'], octets: 600 }),
  delivery({ to: ['ann'], octets: 700_100 }),
  LARGE_TO_THREE,
  SUBMISSION,
  submission({ held: false, octets: 700_000 }),
  append(700),
  append(600_000),
  command({
    name: 'COPY',
    statements: IN_STEPS,
    messages: 20,
    undone: [20, 0, 0],
    done: [20, 0, 20],
    run: (wire, target) => wire.say(`a copy 1:20 "${target}"`, REPLY),
  }),
  MOVE,
  STORE,
  command({
    name: 'EXPUNGE',
    statements: ['mailbox_move_on_unless_held', ...IN_STEPS],
    messages: 50,
    flags: ['\\Deleted'],
    undone: [50, 0, 0],
    done: [0, 0, 0],
    run: (wire) => wire.say('a expunge', REPLY),
  }),
  QUIT,
  QUIT_TO_TRASH,
]
