/** Scanners that say what a test tells them to, and SMTP services that ask them. */
import { once } from 'node:events'
import { createServer as createHttp, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net'
import { pino } from 'pino'
import type { Log } from '../../../src/log.ts'
import { Breaker } from '../../../src/smtp/scan/breaker.ts'
import { clamd } from '../../../src/smtp/scan/clamd.ts'
import type { ScanParts, ScanRule } from '../../../src/smtp/scan/inspect.ts'
import { rspamd } from '../../../src/smtp/scan/rspamd.ts'
import { createLocalThrottle } from '../../../src/store/memory/throttle.ts'
import type { Throttle } from '../../../src/store/throttle.ts'
import type { MailboxId } from '../../../src/store/types.ts'
import { Client, people, plain, startMx, startSubmission } from '../smtp/harness.ts'

export const MAX_SIZE = 2 * 1024 * 1024

interface Heard {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Scripted {
  readonly port: number
  stop(): Promise<void>
}

/** Keeps the last question; `answer` is asked what to do with each. */
export async function scriptedRspamd(): Promise<
  Scripted & { heard: Heard | undefined; questions: number; answer: (res: ServerResponse, heard: Heard) => void }
> {
  const server = createHttp((req, res) => {
    const pieces: Buffer[] = []
    req.on('data', (piece: Buffer) => pieces.push(piece))
    req.on('error', () => undefined)
    req.on('end', () => {
      scripted.questions++
      scripted.heard = { url: req.url ?? '', headers: req.headersDistinct as never, body: Buffer.concat(pieces) }
      scripted.answer(res, scripted.heard)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const scripted = {
    port: (server.address() as AddressInfo).port,
    heard: undefined as Heard | undefined,
    questions: 0,
    answer: says('no action', 0) as (res: ServerResponse, heard: Heard) => void,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return scripted
}

export const says =
  (action: string, score = 0, more: object = {}) =>
  (res: ServerResponse): void =>
    void res.end(JSON.stringify({ is_skipped: false, score, required_score: 15, action, symbols: {}, messages: {}, ...more }))

/** Whatever a connection meets there. */
export async function scriptedTcp(handle: (socket: Socket) => void, path?: string): Promise<Scripted> {
  const sockets = new Set<Socket>()
  const server = createTcp({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    handle(socket)
  })
  await once(path === undefined ? server.listen(0, '127.0.0.1') : server.listen(path), 'listening')
  return {
    port: path === undefined ? (server.address() as AddressInfo).port : 0,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Reads INSTREAM to its end, and answers. */
export function asClamd(answer: (message: Buffer) => string | Buffer): (socket: Socket) => void {
  return (socket) => {
    const pieces: Buffer[] = []
    let tail = Buffer.alloc(0)
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece)
      tail = Buffer.concat([tail, piece]).subarray(-4)
      const message = tail.equals(Buffer.alloc(4)) ? streamed(Buffer.concat(pieces)) : undefined
      if (message) socket.end(answer(message))
    })
  }
}

const COMMAND = Buffer.from('zINSTREAM\0')

/** undefined: it has not ended. */
function streamed(octets: Buffer): Buffer | undefined {
  if (octets.length < COMMAND.length) return undefined
  if (!octets.subarray(0, COMMAND.length).equals(COMMAND)) throw new Error(`that is no INSTREAM: ${octets.toString('latin1')}`)
  const chunks: Buffer[] = []
  for (let at = COMMAND.length; at + 4 <= octets.length; ) {
    const length = octets.readUInt32BE(at)
    if (length === 0) return Buffer.concat(chunks)
    chunks.push(octets.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return undefined
}

export const ruleOf = (scanner: ScanRule['scanner'], more: Partial<ScanRule> = {}): ScanRule => ({
  scanner,
  breaker: new Breaker(scanner),
  action: () => 'reject',
  onFailure: 'accept',
  submission: scanner.name === 'clamav',
  ...more,
})
export const rspamdAt = (port: number, maxSize = MAX_SIZE) => rspamd({ url: `http://127.0.0.1:${port}`, maxSize })
export const clamdAt = (port: number, maxSize = MAX_SIZE) => clamd({ address: { host: '127.0.0.1', port }, maxSize })

const PERSONS = [
  { address: 'ann@example.org', aliases: ['postmaster@example.org', 'abuse@example.org'] },
  { address: 'bob@mild.example' },
  { address: 'cid@open.example' },
]
export const JUNK = 2 as MailboxId
const domains = ['example.org', 'mild.example', 'open.example']

export interface House {
  /** Each line of the log. */
  readonly lines: string[]
  readonly mx: Awaited<ReturnType<typeof startMx>>
  readonly submission: Awaited<ReturnType<typeof startSubmission>>
  stop(): Promise<void>
}

/** Of what is counted by time. */
export const clock = { ms: 0 }

/** Everybody has a mailbox for junk. */
export async function startHouse(rules: readonly ScanRule[], more: Partial<ScanParts> = {}): Promise<House> {
  const { accounts, authenticator } = people(PERSONS, domains)
  const lines: string[] = []
  const log: Log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const buckets = createLocalThrottle(() => clock.ms)
  const throttle: Pick<Throttle, 'take'> = { take: async (bucket, rate, n = 1) => buckets.take(bucket, rate, n) }
  const deps = {
    accounts: {
      ...accounts,
      recipient: async (address: string) => {
        const found = await accounts.recipient(address)
        return found && { ...found, junk: JUNK }
      },
    },
    throttle,
    log,
    scan: { rules, ...more },
  }
  const mx = await startMx(deps)
  const submission = await startSubmission({ ...deps, authenticator })
  return {
    ...{ lines, mx, submission },
    async stop() {
      await Promise.all([mx.stop(), submission.stop()])
    },
  }
}

let made = 0
export const letter = (more = ''): string => `From: Ann <ann@example.org>\r\nSubject: hi\r\nX-Number: ${++made}\r\n${more}\r\nbody\r\n`

export interface Sent {
  readonly from?: string
  readonly to?: readonly string[]
  readonly size?: number
}

export async function send(
  port: number,
  text: string | Buffer,
  { from = 'x@elsewhere.test', to = ['ann@example.org'], size }: Sent = {},
): Promise<string> {
  const client = await Client.connect(port)
  await client.reply()
  await client.expect(['EHLO client.test', '250'])
  return dialogue(client, text, { from, to, ...(size !== undefined && { size }) })
}

export async function submit(
  port: number,
  text: string | Buffer,
  { from = 'ann@example.org', to = ['bob@mild.example'], size }: Sent = {},
): Promise<string> {
  const client = await Client.connectTls(port)
  await client.reply()
  await client.expect(['EHLO client.test', '250'], [`AUTH PLAIN ${plain('ann@example.org')}`, '235'])
  return dialogue(client, text, { from, to, ...(size !== undefined && { size }) })
}

async function dialogue(client: Client, text: string | Buffer, { from, to, size }: Required<Pick<Sent, 'from' | 'to'>> & Sent): Promise<string> {
  try {
    await client.expect([`MAIL FROM:<${from}>${size === undefined ? '' : ` SIZE=${size}`}`, '250'])
    for (const recipient of to ?? []) await client.expect([`RCPT TO:<${recipient}>`, '250'])
    await client.expect(['DATA', '354'])
    client.write(text)
    client.write('\r\n.\r\n')
    return await client.reply(30_000)
  } finally {
    client.close()
  }
}

/** X-Postern-Scan of a message, unfolded. */
export const scans = (text: Buffer): string[] =>
  [...text.toString('latin1').matchAll(/^X-Postern-Scan:(.*(?:\r\n[ \t].*)*)\r\n/gm)].map(([, value]) => value!.replaceAll(/\s+/g, ' ').trim())
