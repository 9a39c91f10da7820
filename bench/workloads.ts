/** What is measured. Each workload runs on an open, warm connection, and what came back is checked after the clock was read. */
import { deliver } from './delivery.ts'
import { COPIES, LARGE, MAIL } from './fill.ts'
import { ImapClient } from './imap-client.ts'
import { median } from './machine.ts'
import { flagsOf, message } from './message.ts'
import type { Peer } from './peer.ts'
import { pop3Workloads } from './pop3.ts'
import { read, statusCount } from './replies.ts'

export interface Sizes {
  /** In `Mail`. */
  readonly messages: number
  readonly mailBytes: number
  /** Deliveries of one run, at most: over one connection, and over 16. */
  readonly single: number
  readonly many: number
}

export interface Site {
  readonly peer: Peer
  /** Logged in as the first user. */
  readonly client: ImapClient
  readonly sizes: Sizes
}

export interface Run {
  readonly figure: number
  /** Commands or messages of this run. */
  readonly operations: number
  /** Milliseconds of it that one command took. */
  readonly part?: { readonly name: string; readonly ms: number }
}

export interface Workload {
  readonly name: string
  /** What the figure of one run counts: milliseconds (less is better) or messages per second. */
  readonly unit: 'ms' | 'msg/s'
  /** Whether the server changes anything: then its log and the work put off are of interest. */
  readonly writes: boolean
  /** Not measured. */
  prepare?(site: Site): Promise<void>
  run(site: Site): Promise<Run>
  /** Throws when the answers were wrong. */
  check?(site: Site): Promise<void>
  /** Not measured. */
  clean?(site: Site): Promise<void>
}

const sure = (what: string, is: number, wanted: number): void => {
  if (is !== wanted) throw new Error(`${what}: ${is}, not ${wanted}`)
}

/** Commands of one run; the figure is their median. */
const FETCHES = 3
const FETCHED_SINGLY = 5
const TOGGLES = 10
const COPYINGS = 2

async function repeat(operations: number, once: (i: number) => Promise<number>): Promise<Run> {
  const taken: number[] = []
  for (let i = 0; i < operations; i++) taken.push(await once(i))
  return { figure: median(taken), operations }
}

function fetching(name: string, mailbox: string, items: string, verify: (answer: Buffer, sizes: Sizes) => void): Workload {
  return {
    name,
    unit: 'ms',
    writes: false,
    prepare: async ({ client }) => void (await client.ok(`SELECT ${mailbox}`)),
    run: ({ client, sizes }) =>
      repeat(FETCHES, async () => {
        const { ms, bytes } = await client.ok(`FETCH 1:* ${items}`)
        verify(bytes, sizes)
        return ms
      }),
  }
}

/** As mail programs do that fetch a mailbox message by message. Only the commands' own time counts. */
function fetchingSingly(count: number, items: string, verify: (answer: Buffer, n: number) => void): Workload {
  return {
    name: `FETCH n (${items}), ${count.toLocaleString('en')} of 5 KB one after the other`,
    unit: 'msg/s',
    writes: false,
    prepare: async ({ client }) => void (await client.ok(`SELECT ${MAIL}`)),
    async run({ client }): Promise<Run> {
      let sum = 0
      for (let n = 1; n <= count; n++) {
        const { ms, bytes } = await client.ok(`FETCH ${n} (${items})`)
        verify(bytes, n - 1)
        sum += ms
      }
      return { figure: (count / sum) * 1000, operations: count }
    },
  }
}

const thousands = (n: number): string => (n >= 1000 ? `${n / 1000}k` : `${n}`)

/** How many messages the users hold in INBOX. */
async function inboxes({ imap, users }: Peer): Promise<number> {
  let sum = 0
  for (const user of users) {
    const client = await ImapClient.login(imap, user)
    sum += statusCount((await client.ok('STATUS INBOX (MESSAGES)')).bytes)
    await client.close()
  }
  return sum
}

/** Every delivered message differs from those before. */
let sent = 1_000_000

const DELIVERY_BUDGET = 4_000

function delivering(name: string, run: { connections: number; users: number; count: number }): Workload {
  let before = 0
  let taken = 0
  return {
    name,
    unit: 'msg/s',
    writes: true,
    prepare: async ({ peer }) => {
      before = await inboxes(peer)
    },
    async run({ peer }) {
      const messages = Array.from({ length: run.count }, () => message(sent++))
      const { count, ms } = await deliver(peer, { ...run, messages, budget: DELIVERY_BUDGET })
      taken = count
      return { figure: (count / ms) * 1000, operations: count }
    },
    check: async ({ peer }) => sure('delivered messages found', (await inboxes(peer)) - before, taken),
  }
}

const STORE_FLAG = '\\Answered'

const storing = (messages: number): Workload => ({
  name: `STORE 1:* ±FLAGS.SILENT, ${thousands(messages)} messages`,
  unit: 'ms',
  writes: true,
  prepare: async ({ client }) => void (await client.ok(`SELECT ${MAIL}`)),
  run: ({ client }) => repeat(TOGGLES, async (i) => (await client.ok(`STORE 1:* ${i % 2 ? '-' : '+'}FLAGS.SILENT (${STORE_FLAG})`)).ms),
  async check({ client }) {
    for (const [sign, wanted] of [
      ['+', messages],
      ['-', 0],
    ] as const) {
      await client.ok(`STORE 1:* ${sign}FLAGS.SILENT (${STORE_FLAG})`)
      const { words } = read((await client.ok('FETCH 1:* (FLAGS)')).bytes, [STORE_FLAG])
      sure('messages with the flag', words.get(STORE_FLAG)!, wanted)
    }
  },
})

export function workloads(sizes: Sizes): Workload[] {
  const { messages, single, many } = sizes
  const n = thousands(messages)
  const all = Array.from({ length: messages }, (_, i) => flagsOf(i))
  const withFlag = (flag: string): number => all.filter((flags) => flags.includes(flag)).length * COPIES
  return [
    fetching(`FETCH 1:* (UID FLAGS), ${thousands(messages * COPIES)} messages`, LARGE, '(UID FLAGS)', (answer) => {
      const { fetches, words } = read(answer, ['UID ', 'FLAGS (', '\\Seen', '\\Flagged', '$Forwarded'])
      sure('FETCH lines', fetches, messages * COPIES)
      for (const [word, times] of words) sure(word, times, /^[\\$]/.test(word) ? withFlag(word) : messages * COPIES)
    }),
    fetching(`FETCH 1:* (ENVELOPE BODYSTRUCTURE), ${n} messages`, MAIL, '(ENVELOPE BODYSTRUCTURE)', (answer) => {
      const { fetches, words } = read(answer, ['ENVELOPE (', 'BODYSTRUCTURE ('])
      sure('FETCH lines', fetches, messages)
      for (const [word, times] of words) sure(word, times, messages)
    }),
    fetching(`FETCH 1:* (BODY.PEEK[]), ${n} messages of 5 KB`, MAIL, '(BODY.PEEK[])', (answer, { mailBytes }) => {
      const { fetches, literals, literalBytes } = read(answer)
      sure('FETCH lines', fetches, messages)
      sure('literals', literals, messages)
      sure('octets', literalBytes, mailBytes)
    }),
    fetchingSingly(messages / FETCHED_SINGLY, 'BODY.PEEK[]', (answer, n) => {
      const { fetches, literalBytes } = read(answer)
      sure('FETCH lines', fetches, 1)
      sure('octets', literalBytes, message(n).length)
    }),
    storing(messages),
    {
      name: `COPY 1:*, ${n} messages`,
      unit: 'ms',
      writes: true,
      async prepare({ client }) {
        await client.ok('CREATE Target')
        await client.ok(`SELECT ${MAIL}`)
      },
      run: ({ client }) => repeat(COPYINGS, async () => (await client.ok('COPY 1:* Target')).ms),
      check: async ({ client }) => sure('copies', statusCount((await client.ok('STATUS Target (MESSAGES)')).bytes), COPYINGS * messages),
      clean: async ({ client }) => void (await client.ok('DELETE Target')),
    },
    delivering(`delivery of 5 KB, 1 connection`, { connections: 1, users: 1, count: single }),
    delivering(`delivery of 5 KB, 16 connections to 16 users`, { connections: 16, users: 16, count: many }),
    delivering(`delivery of 5 KB, 16 connections to 1 user`, { connections: 16, users: 1, count: many }),
    ...pop3Workloads(sizes),
  ]
}
