/** Clients that know nothing of containers: swaks, curl and Python's own, from the other side of the wire. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ran } from '../../support/programs.ts'
import { type Engine, VPS } from './engine.ts'

const SCRIPT = join(import.meta.dirname, 'mail.py')

export interface Login {
  readonly user: string
  readonly password: string
}

export interface Dump {
  readonly [mailbox: string]: unknown
}

/** One verb of mail.py. */
export async function mail<T>({ run }: Engine, verb: 'fill' | 'dump' | 'subjects' | 'stay', { user, password }: Login, host = VPS.v4): Promise<T> {
  const ran = await run('net', 'python3', [SCRIPT, verb, host, user], { input: `${password}\n` })
  assert.equal(ran.code, 0, ran.err)
  return JSON.parse(ran.out) as T
}

export interface Inbox {
  readonly imap: readonly { readonly subject: string; readonly received?: string }[]
  readonly pop3: number
}
export const inbox = (engine: Engine, login: Login): Promise<Inbox> => mail<Inbox>(engine, 'subjects', login)

export interface Sending {
  readonly from?: string
  readonly to: string
  readonly subject?: string
  readonly port?: 25 | 465 | 587
  readonly login?: Login
  readonly server?: string
  readonly where?: 'net' | 'vps'
}

/** Hands a message in with swaks. `code`: 0 when it was taken, 24 when every recipient was refused. */
export function send({ run }: Engine, o: Sending): Promise<Ran> {
  const { from = 'ann@remote.test', to, subject = 'hello', port = 25, login, server = VPS.v4, where = 'net' } = o
  return run(where, 'swaks', [
    ...['--server', server, '--port', `${port}`, '--helo', 'client.remote.test', '--from', from, '--to', to, '--header', `Subject: ${subject}`],
    ...(port === 465 ? ['--tls-on-connect'] : ['--tls']),
    ...(login ? ['--auth', 'PLAIN', '--auth-user', login.user, '--auth-password', login.password] : []),
    ...['--timeout', '60'],
  ])
}

/** The same by IPv6, with curl. */
export const sendByIpv6 = ({ run }: Engine, to: string, subject: string): Promise<Ran> =>
  run(
    'net',
    'curl',
    ['-sSk', '--ssl-reqd', `smtp://[${VPS.v6}]:25/client.remote.test`, '--mail-from', 'ann@remote.test', '--mail-rcpt', to, '-T', '-'],
    {
      // Without a From it would be junk.
      input: `From: ann@remote.test\r\nSubject: ${subject}\r\n\r\nby the other protocol\r\n`,
    },
  )

/** Asks again until it is so, at most `ms`. */
export async function until<T>(what: () => Promise<T | undefined>, ms = 60_000): Promise<T> {
  const end = performance.now() + ms
  for (;;) {
    const found = await what()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`it did not come within ${ms} ms`)
    await sleep(200)
  }
}

/** The message of that subject in the user's INBOX. */
export const arrived = (engine: Engine, login: Login, subject: string): Promise<Inbox['imap'][number]> =>
  until(async () => (await inbox(engine, login)).imap.find((m) => m.subject === subject))

/** Resolves when IMAP answers this user. */
export const serving = (engine: Engine, { user, password }: Login): Promise<true> =>
  until(async () => {
    const ran = await engine.run('net', 'curl', ['-sk', '--max-time', '5', `imaps://${VPS.v4}/`, '-u', `${user}:${password}`])
    return ran.code === 0 ? true : undefined
  }, 60_000)
