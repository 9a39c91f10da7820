/** What one operation costs: CPU of Postern and of Postgres apart, and octets of log, each from many repetitions against a server of its own. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { deliver } from '../delivery.ts'
import { ImapClient } from '../imap-client.ts'
import { median } from '../machine.ts'
import { message } from '../message.ts'
import { cpuOf } from '../processes.ts'
import { checkMaildrop } from './pop3.ts'
import { LARGE_OCTETS } from './profile.ts'
import type { Subject } from './subject.ts'

export const OPERATIONS = ['deliverSmall', 'deliverLarge', 'read', 'store', 'notify', 'login', 'firstLogin', 'select', 'poll'] as const
export type Operation = (typeof OPERATIONS)[number]

export interface Cost {
  /** Milliseconds of CPU. Folding, which comes later, is counted in. */
  readonly postern: number
  readonly postgres: number
  /** Octets of write-ahead log. */
  readonly wal: number
}

export interface Costs {
  readonly operations: Readonly<Record<Operation, Cost>>
  /** Memory of one idle session, and of one process without any. */
  readonly sessionOctets: number
  readonly processOctets: number
  /** On Postgres's disk, per small and per large message, indexes included. */
  readonly smallOctets: number
  readonly largeOctets: number
}

const ROUNDS = 3

/** Runs `work`, which does its operation so many times, and divides. */
async function cost(subject: Subject, times: number, work: () => Promise<void>): Promise<Cost> {
  const samples: Cost[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await subject.settle()
    const before = { postern: cpuOf([subject.pid]), postgres: cpuOf([subject.postmaster]), wal: await subject.wal() }
    await work()
    const folding = await subject.settle()
    samples.push({
      postern: (cpuOf([subject.pid]) - before.postern + folding) / times,
      postgres: (cpuOf([subject.postmaster]) - before.postgres) / times,
      wal: ((await subject.wal()) - before.wal) / times,
    })
  }
  const of = (part: keyof Cost): number => median(samples.map((sample) => sample[part]))
  return { postern: of('postern'), postgres: of('postgres'), wal: of('wal') }
}

/** An attachment as attachments are: compressed already. */
const large = (n: number): Buffer => {
  const head = `Subject: large ${n}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n`
  const text = randomBytes((LARGE_OCTETS / 4) * 3).toString('base64')
  return Buffer.from(`${head}${text.replaceAll(/.{76}/g, '$&\r\n')}\r\n`)
}

const some = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))

/** What ps calls resident, less what is shared: octets. */
export function memoryOf(pid: number): number {
  const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(join('/proc', `${pid}`, 'smaps_rollup'), 'latin1'))
  return Number(pss?.[1] ?? 0) * 1024
}

export interface Amounts {
  readonly small: number
  readonly large: number
  readonly logins: number
  readonly commands: number
  readonly sessions: number
}

export async function measureCosts(subject: Subject, n: Amounts, say: (text: string) => void): Promise<Costs> {
  const { peer } = subject
  // Mail is sent to the first eight: the idle sessions are of one who gets none.
  const [user, other, watched] = [peer.users[0]!, peer.users[1]!, peer.users[8]!]
  const operations = {} as Record<Operation, Cost>
  const take = async (op: Operation, times: number, work: () => Promise<void>): Promise<void> => {
    operations[op] = await cost(subject, times, work)
    const { postern, postgres, wal } = operations[op]
    say(`${op.padEnd(14)} Postern ${postern.toFixed(3)} ms  Postgres ${postgres.toFixed(3)} ms  log ${Math.round(wal)} octets`)
  }
  const send = async (messages: readonly Buffer[]): Promise<void> =>
    void (await deliver(peer, { connections: 8, users: 8, messages, budget: 300_000 }))

  const writer = await ImapClient.login(peer.imap, watched)
  await writer.appendAll('INBOX', [{ flags: '', bytes: message(0) }])
  await writer.ok('SELECT INBOX')
  // Before the process has grown for other reasons.
  const processOctets = memoryOf(subject.pid)
  const idle: ImapClient[] = []
  for (let i = 0; i < n.sessions; i++) {
    const client = await ImapClient.login(peer.imap, watched)
    await client.ok('SELECT INBOX')
    client.idle()
    idle.push(client)
  }
  await sleep(2_000)
  const sessionOctets = Math.max(1, (memoryOf(subject.pid) - processOctets) / n.sessions)
  say(`idle session   ${Math.round(sessionOctets / 1024)} KiB`)

  let sent = 0
  const diskBefore = await subject.disk()
  await take('deliverSmall', n.small, () => send(some(n.small, () => message(sent++))))
  const diskSmall = await subject.disk()
  await take('deliverLarge', n.large, () => send(some(n.large, () => large(sent++))))
  const diskLarge = await subject.disk()

  const one = await ImapClient.login(peer.imap, user)
  await one.ok('SELECT INBOX')
  await take('read', n.commands, async () => {
    for (let i = 0; i < n.commands; i++) await one.ok(`FETCH ${1 + (i % Math.floor(n.small / 16))} BODY.PEEK[]`)
  })
  await take('store', n.commands, async () => {
    for (let i = 0; i < n.commands; i++) await one.ok(`STORE ${1 + (i % 100)} ${Math.floor(i / 100) % 2 ? '-' : '+'}FLAGS.SILENT (\\Seen)`)
  })
  await take('select', n.commands, async () => {
    for (let i = 0; i < n.commands; i++) await one.ok('SELECT INBOX')
  })
  await one.close()

  await take('login', n.logins, async () => {
    for (let i = 0; i < n.logins; i++) await (await ImapClient.login(peer.imap, user)).close()
  })
  // Each user once in each round: one user of the rest for every first login.
  const fresh = peer.users.slice(16)
  const each = Math.floor(fresh.length / ROUNDS)
  let next = 0
  await take('firstLogin', each, async () => {
    for (let i = 0; i < each; i++) await (await ImapClient.login(peer.imap, fresh[next++]!)).close()
  })
  await take('poll', n.logins, async () => {
    for (let i = 0; i < n.logins; i++) await checkMaildrop(subject.pop3, other)
  })

  // All of them are sessions of one account in IDLE on one mailbox that is changed from elsewhere.
  const changes = 40
  const alone = operations.store
  const told = await cost(subject, changes, async () => {
    for (let i = 0; i < changes; i++) {
      await writer.ok(`STORE 1 ${i % 2 ? '+' : '-'}FLAGS.SILENT (\\Flagged)`)
      await sleep(10)
    }
    await sleep(300)
  })
  operations.notify = {
    postern: Math.max(0, told.postern - alone.postern) / n.sessions,
    postgres: Math.max(0, told.postgres - alone.postgres) / n.sessions,
    wal: 0,
  }
  say(`notify         Postern ${operations.notify.postern.toFixed(4)} ms a session`)
  await writer.close()
  for (const client of idle) client.drop()
  return {
    operations,
    sessionOctets,
    processOctets,
    smallOctets: (diskSmall - diskBefore) / (n.small * ROUNDS),
    largeOctets: (diskLarge - diskSmall) / (n.large * ROUNDS),
  }
}
