/** Changes to one mailbox, and how long after each of them the sessions that idle on it were told. */
import { setTimeout as sleep } from 'node:timers/promises'
import { clock, type Heard } from './crowd.ts'
import type { Crowds } from './crowds.ts'
import type { SiteServer } from './site.ts'
import { type Exchange, TlsWire } from './tls-wire.ts'

export interface Plan {
  /** Half of them deliveries by SMTP, half STOREs of another session. */
  readonly changes: number
  readonly perSecond: number
}

/** Milliseconds, over all changes and all sessions that had to hear of them. */
export interface Latencies {
  readonly changes: number
  readonly notices: number
  /** From the change's last octet sent. */
  readonly sent: Quantiles
  /** From its OK at the client that made it; below zero where the idle session heard first. */
  readonly answered: Quantiles
}

export interface Quantiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

interface Change extends Exchange {
  readonly kind: Heard['kind']
  readonly n: number
}

interface Where {
  readonly server: SiteServer
  readonly crowds: Crowds
  readonly users: readonly { readonly address: string; readonly password: string }[]
  /** Sessions that idle on the first user's INBOX. */
  readonly watching: number
  /** The message of this UID and those behind it have no \\Flagged so far. */
  readonly firstUid: number
}

/** Changes the first user's INBOX by the plan. Throws when a session did not hear of a change. */
export async function measureNotices({ server, crowds, users, watching, firstUid }: Where, plan: Plan): Promise<Latencies> {
  const [user] = users
  const [imap, smtp] = await Promise.all([TlsWire.imap(server.port('imaps'), server.ca, user!), TlsWire.smtp(server.port('mx'))])
  const changes: Promise<Change>[] = []
  let delivery: Promise<unknown> = Promise.resolve()
  try {
    const before = await existing(imap)
    await imap.ok('SELECT INBOX')
    await crowds.collect()
    const began = clock()
    for (let i = 0; i < plan.changes; i++) {
      await sleep(Math.max(0, began + (i * 1000) / plan.perSecond - clock()))
      if (i % 2 === 0)
        changes.push(imap.ok(`UID STORE ${firstUid + i} +FLAGS.SILENT (\\Flagged)`).then((times) => ({ ...times, kind: 'FETCH', n: firstUid + i })))
      else {
        const n = before + (i + 1) / 2
        // One dialogue at a time: a delivery that waits for the one before it has not been sent yet.
        const delivered = delivery.then(
          async (): Promise<Change> => ({ ...(await smtp.deliver(user!.address, `Subject: ${n}\r\n\r\nNews\r\n`)), kind: 'EXISTS', n }),
        )
        delivery = delivered
        changes.push(delivered)
      }
    }
    const made = await Promise.all(changes)
    await sleep(3_000)
    return latencies(made, await crowds.collect(), watching)
  } finally {
    imap.close()
    smtp.close()
  }
}

async function existing(imap: TlsWire): Promise<number> {
  const { lines } = await imap.ok('STATUS INBOX (MESSAGES)')
  return Number(/MESSAGES (\d+)/.exec(lines.join())![1])
}

function latencies(made: readonly Change[], heard: readonly Heard[], watching: number): Latencies {
  const bySession = Map.groupBy(heard, ({ session }) => session)
  if (bySession.size !== watching) throw new Error(`${bySession.size} sessions heard something, not ${watching}`)
  const sent: number[] = []
  const answered: number[] = []
  for (const change of made) {
    for (const [session, lines] of bySession) {
      const first = lines.find((line) => tells(line, change))
      if (!first) throw new Error(`session ${session} did not hear of ${change.kind} ${change.n}`)
      sent.push(first.at - change.sent)
      answered.push(first.at - change.answered)
    }
  }
  return { changes: made.length, notices: sent.length, sent: quantiles(sent), answered: quantiles(answered) }
}

/** Two deliveries may be told as one: the higher EXISTS. */
const tells = (line: Heard, { kind, n }: Change): boolean => line.kind === kind && (kind === 'EXISTS' ? line.n >= n : line.n === n)

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
