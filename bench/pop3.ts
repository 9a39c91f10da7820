/** The workloads of POP3. Each has a maildrop of its own: one that is read again and again, one that is filled before each run. */
import { ImapClient } from './imap-client.ts'
import { flagsOf, message } from './message.ts'
import type { Peer, User } from './peer.ts'
import { type Pop3Answer, Pop3Client, readReplies } from './pop3-client.ts'
import { statusCount } from './replies.ts'
import type { Run, Site, Sizes, Workload } from './workloads.ts'

/** Messages that RETR asks for in one run. */
const RETRIEVED = 5
const LOGINS = 15
/** Passes over the same messages in one run: one alone takes 50 ms where many are asked for at a time, and says more of the moment than of the server. */
const PASSES = { lockStep: 5, pipelined: 25 }
const WINDOW = 50

const sure = (what: string, is: number, wanted: number): void => {
  if (is !== wanted) throw new Error(`${what}: ${is}, not ${wanted}`)
}

/** Who has the maildrops: the last two users. */
export const maildrops = ({ users }: Peer): { readonly read: User; readonly emptied: User } => ({ read: users.at(-2)!, emptied: users.at(-1)! })

/** `count` messages more in that user's INBOX. */
export async function fillInbox(peer: Peer, user: User, count: number): Promise<void> {
  const client = await ImapClient.login(peer.imap, user)
  await client.appendAll(
    'INBOX',
    Array.from({ length: count }, (_, n) => ({ flags: flagsOf(n), bytes: message(n) })),
  )
  await client.close()
}

async function inInbox(peer: Peer, user: User): Promise<number> {
  const client = await ImapClient.login(peer.imap, user)
  const count = statusCount((await client.ok('STATUS INBOX (MESSAGES)')).bytes)
  await client.close()
  return count
}

const octetsOf = (count: number): number => Array.from({ length: count }, (_, n) => message(n).length).reduce((sum, length) => sum + length, 0)
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1)
const allLines = () => 'lines' as const

const middle = (taken: readonly number[]): number => [...taken].sort((a, b) => a - b)[taken.length >> 1]!

async function timed<T>(work: () => Promise<T>): Promise<{ readonly ms: number; readonly result: T }> {
  const started = performance.now()
  const result = await work()
  return { ms: performance.now() - started, result }
}

/** RETR of the first messages of the maildrop, on a connection that is logged in. */
function retrieving(
  name: string,
  { count, passes }: { count: number; passes: number },
  fetch: (client: Pop3Client, commands: readonly string[]) => Promise<Buffer>,
): Workload {
  const commands = numbers(count).map((n) => `RETR ${n}`)
  const octets = octetsOf(count)
  let client: Pop3Client | undefined
  return {
    name,
    unit: 'msg/s',
    writes: false,
    prepare: async ({ peer }) => void (client = await Pop3Client.login(peer.pop3, maildrops(peer).read)),
    async run(): Promise<Run> {
      const taken: number[] = []
      for (let pass = 0; pass < passes; pass++) {
        const { ms, result } = await timed(() => fetch(client!, commands))
        // Taken apart while no clock runs.
        verify(readReplies(result, allLines), count, octets)
        taken.push(ms)
      }
      return { figure: (count / middle(taken)) * 1000, operations: count * passes }
    },
    clean: async () => client?.quit(),
  }
}

function verify(answer: Pop3Answer, replies: number, octets: number): void {
  sure('replies', answer.replies, replies)
  sure('octets', answer.octets, octets)
}

const listing = (messages: number, name: string): Workload => ({
  name,
  unit: 'ms',
  writes: false,
  async run({ peer }): Promise<Run> {
    const taken: number[] = []
    for (let i = 0; i < LOGINS; i++) {
      const started = performance.now()
      const client = await Pop3Client.login(peer.pop3, maildrops(peer).read)
      let ms = performance.now() - started
      for (const command of ['UIDL', 'LIST']) {
        const asked = await timed(() => client.one(command, 'lines'))
        ms += asked.ms
        sure(command, readReplies(asked.result, allLines).lines, messages)
      }
      taken.push(ms)
      await client.quit()
    }
    return { figure: middle(taken), operations: LOGINS }
  },
})

const emptying = (count: number, name: string): Workload => {
  const commands = numbers(count).flatMap((n) => [`RETR ${n}`, `DELE ${n}`])
  const octets = octetsOf(count)
  let client: Pop3Client | undefined
  return {
    name,
    unit: 'ms',
    writes: true,
    async prepare({ peer }) {
      const { emptied } = maildrops(peer)
      await fillInbox(peer, emptied, count)
      await peer.settle()
      client = await Pop3Client.login(peer.pop3, emptied)
    },
    async run(): Promise<Run> {
      const started = performance.now()
      const replies = await client!.lockStep(commands, (command) => (command.startsWith('RETR') ? 'lines' : 'line'))
      const asked = performance.now()
      // Taken apart while no clock runs.
      verify(
        readReplies(replies, (n) => (n % 2 === 0 ? 'lines' : 'line')),
        commands.length,
        octets,
      )
      const quit = await timed(() => client!.quit())
      return { figure: asked - started + quit.ms, operations: 1, part: { name: 'QUIT', ms: quit.ms } }
    },
    check: async ({ peer }: Site) => sure('messages left', await inInbox(peer, maildrops(peer).emptied), 0),
  }
}

export function pop3Workloads({ messages }: Sizes): Workload[] {
  const count = messages / RETRIEVED
  const n = count.toLocaleString('en')
  return [
    listing(messages, `POP3 login, UIDL, LIST of ${messages / 1000}k messages`),
    retrieving(`POP3 RETR of ${n} × 5 KB, one after the other`, { count, passes: PASSES.lockStep }, (client, commands) =>
      client.lockStep(commands, allLines),
    ),
    retrieving(`POP3 RETR of ${n} × 5 KB, ${WINDOW} at a time`, { count, passes: PASSES.pipelined }, (client, commands) =>
      client.pipelined(commands, 'lines', WINDOW),
    ),
    emptying(count, `POP3 RETR, DELE of ${n} × 5 KB, QUIT`),
  ]
}
