/** One command line: found, checked, run, answered. No command is known here by name. */
import { Disconnected } from '../net/connection.ts'
import { DottedWriter } from '../net/dots.ts'
import { LineWriter, Phrase } from '../net/line-writer.ts'
import { IdleTimeout, LineTooLong } from '../net/lines.ts'
import { BLOCK, WriteStalled } from '../net/output.ts'
import type { AnyCommand } from './command.ts'
import type { Registry } from './registry.ts'
import { Bad, type Done, errLine, FAULT, type Listing, type MessageBody, refused } from './reply.ts'
import type { Session } from './session.ts'

/** What follows a line that was answered. */
export type Next = 'go on' | 'start TLS' | 'end'

/** Lines of a listing after which is seen whether the client takes them; with the longest unique-ids no more than a few blocks. */
const LINES_AT_ONCE = 1_000
const CRLF = new Phrase('\r\n')

/** A browser that was led here speaks first, and would show what we answer (ALPACA). */
const HTTP_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'PRI'])

/** Throws or rejects with what ends the connection at once: see `endsConnection`, or a fault within a reply that had begun. */
export function dispatch(session: Session, registry: Registry, line: string): Next | Promise<Next> {
  const space = line.indexOf(' ')
  const name = space < 0 ? line : line.slice(0, space)
  if (session.state === 'authorization' && HTTP_METHODS.has(name)) return 'end'
  const command = registry.command(name)
  const start = performance.now()
  let done: Done | Promise<Done>
  try {
    done = run(session, command, space < 0 ? '' : line.slice(space + 1))
  } catch (err) {
    return after(session, { command, start }, refuse(session, err))
  }
  if (done instanceof Promise) return later(session, { command, start }, done)
  const sending = answer(session, done)
  const next = done.startTls ? 'start TLS' : 'go on'
  return sending ? sending.then(() => after(session, { command, start }, next, done)) : after(session, { command, start }, next, done)
}

interface Begun {
  readonly command: AnyCommand | undefined
  readonly start: number
}

async function later(session: Session, begun: Begun, promised: Promise<Done>): Promise<Next> {
  let done: Done
  try {
    done = await promised
  } catch (err) {
    return after(session, begun, refuse(session, err))
  }
  // What is thrown from here on cannot be told: the reply has begun, and ends without its last line.
  await answer(session, done)
  return after(session, begun, done.startTls ? 'start TLS' : 'go on', done)
}

function after({ log }: Session, { command, start }: Begun, next: Next, done?: Done): Next {
  log.debug({ cmd: command?.name, ms: Math.round(performance.now() - start), result: done ? 'ok' : 'err' }, 'command')
  return command?.ends ? 'end' : next
}

/** What is no answer to a command but the end of the conversation. */
export const endsConnection = (err: unknown): boolean =>
  err instanceof Disconnected || err instanceof WriteStalled || err instanceof IdleTimeout || err instanceof LineTooLong

function run(session: Session, command: AnyCommand | undefined, argument: string): Promise<Done> | Done {
  if (!command) throw new Bad('There is no such command')
  if (!command.states.includes(session.state)) throw new Bad(session.open ? 'Already logged in' : 'Log in first')
  if (!session.secure && !command.beforeTls) throw new Bad('Nobody logs in without TLS here, begin with STLS')
  const args = command.parse(argument)
  if (command.paced) return session.pace().then(() => command.run(session, args))
  // What was sent whole is known only then.
  if (command.ends) return session.flush().then(() => command.run(session, args))
  return command.run(session, args)
}

function refuse(session: Session, err: unknown): Next {
  if (endsConnection(err)) throw err
  const { limits } = session.services
  const bad = err instanceof Bad
  const no = bad ? undefined : refused(err)
  if (!bad && !no) session.log.error({ err }, 'a command failed')
  if (bad || no?.code === 'AUTH') session.failures++
  const tooMany = session.failures >= (session.open ? limits.bad : limits.badAnonymous)
  session.out.write(`${errLine(bad ? err : (no ?? FAULT))}${tooMany ? ', and that was the last try' : ''}\r\n`)
  return tooMany || no?.end ? 'end' : 'go on'
}

/** What it returns, if anything, must be waited for. */
function answer(session: Session, { ok, lines, listing, message }: Done): Promise<void> | undefined {
  session.out.write(`+OK ${ok}\r\n`)
  if (message) return sendMessage(session, message)
  if (listing) return sendListing(session, listing)
  if (lines) session.out.write(`${[...lines, '.'].join('\r\n')}\r\n`)
  return undefined
}

async function sendListing(session: Session, { numbers, room, write }: Listing): Promise<void> {
  const { out } = session
  const line = new LineWriter(out)
  let lines = 0
  for (const number of numbers) {
    line.room(room + CRLF.length)
    write(line, number)
    line.phrase(CRLF)
    if (++lines % LINES_AT_ONCE !== 0) continue
    line.give()
    if (out.queued >= BLOCK) await session.flush()
  }
  line.give()
  out.write('.\r\n')
}

function sendMessage(session: Session, { octets, regular, sent }: MessageBody): Promise<void> | undefined {
  const dotted = new DottedWriter(session.out, { regular })
  if (Symbol.asyncIterator in octets) return sendPieces(session, dotted, { octets, sent })
  for (const piece of octets) dotted.write(piece)
  dotted.end()
  if (sent) session.whenSent(sent)
  return undefined
}

async function sendPieces(
  session: Session,
  dotted: DottedWriter,
  { octets, sent }: { octets: AsyncIterable<Uint8Array>; sent: MessageBody['sent'] },
): Promise<void> {
  for await (const piece of octets) {
    dotted.write(piece)
    if (session.out.queued >= BLOCK) await session.flush()
  }
  dotted.end()
  if (sent) session.whenSent(sent)
}
