/** One command line: found, checked, run, answered. No command is known here by name. */
import { Disconnected } from '../net/connection.ts'
import { DottedWriter } from '../net/dots.ts'
import { IdleTimeout, LineTooLong } from '../net/lines.ts'
import { BLOCK, WriteStalled } from '../net/output.ts'
import type { AnyCommand } from './command.ts'
import type { Registry } from './registry.ts'
import { Bad, type Done, errLine, FAULT, type MessageBody, refused } from './reply.ts'
import type { Session } from './session.ts'

/** What follows a line that was answered. */
export type Next = 'go on' | 'start TLS' | 'end'

/** A browser that was led here speaks first, and would show what we answer (ALPACA). */
const HTTP_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'PRI'])

/** Rejects with what ends the connection at once: see `endsConnection`, or a fault within a reply that had begun. */
export async function dispatch(session: Session, registry: Registry, line: string): Promise<Next> {
  const space = line.indexOf(' ')
  const name = space < 0 ? line : line.slice(0, space)
  if (session.state === 'authorization' && HTTP_METHODS.has(name)) return 'end'
  const command = registry.command(name)
  const start = performance.now()
  let done: Done | undefined
  let next: Next = 'go on'
  try {
    done = await run(session, command, space < 0 ? '' : line.slice(space + 1))
  } catch (err) {
    next = refuse(session, err)
  }
  // What is thrown from here on cannot be told: the reply has begun, and ends without its last line.
  if (done) await answer(session, done)
  session.log.debug({ cmd: command?.name, ms: Math.round(performance.now() - start), result: done ? 'ok' : 'err' }, 'command')
  return command?.ends ? 'end' : done?.startTls ? 'start TLS' : next
}

/** What is no answer to a command but the end of the conversation. */
export const endsConnection = (err: unknown): boolean =>
  err instanceof Disconnected || err instanceof WriteStalled || err instanceof IdleTimeout || err instanceof LineTooLong

async function run(session: Session, command: AnyCommand | undefined, argument: string): Promise<Done> {
  if (!command) throw new Bad('There is no such command')
  if (!command.states.includes(session.state)) throw new Bad(session.open ? 'Already logged in' : 'Log in first')
  if (!session.secure && !command.beforeTls) throw new Bad('Nobody logs in without TLS here, begin with STLS')
  const args = command.parse(argument)
  if (command.paced) await session.pace()
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

async function answer(session: Session, { ok, lines, message }: Done): Promise<void> {
  const { out } = session
  out.write(`+OK ${ok}\r\n`)
  if (message) await sendMessage(session, message)
  if (!lines) return
  for (const line of lines) {
    out.write(`${line}\r\n`)
    if (out.queued >= BLOCK) await out.flush()
  }
  out.write('.\r\n')
}

async function sendMessage({ out }: Session, { octets, regular, sent }: MessageBody): Promise<void> {
  const dotted = new DottedWriter(out, { regular })
  for await (const piece of octets) {
    dotted.write(piece)
    if (out.queued >= BLOCK) await out.flush()
  }
  dotted.end()
  if (!sent) return
  await out.flush()
  sent()
}
