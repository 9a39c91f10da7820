/** One conversation from its greeting to its end. RFC 1939 §3. */
import { setImmediate as turn } from 'node:timers/promises'
import { IdleTimeout, LineTooLong } from '../net/lines.ts'
import { BLOCK } from '../net/output.ts'
import { dispatch, endsConnection, type Next } from './dispatch.ts'
import type { Registry } from './registry.ts'
import { errLine } from './reply.ts'
import type { Session } from './session.ts'

/** Commands of one client in a row that need no I/O, before the others get their turn. */
const IN_A_ROW = 50

/** The greeting. */
export const greet = ({ out, services }: Session): void => out.write(`+OK ${services.hostname} POP3 server ready\r\n`)

/** Resolves when the conversation is over, however it ended; then the maildrop is free again. Only QUIT deletes. `start TLS`: it goes on after the handshake. */
export async function converse(session: Session, registry: Registry): Promise<'start TLS' | 'end'> {
  try {
    const next = await exchange(session, registry)
    await session.flush()
    return next
  } catch (err) {
    await sayEnd(session, err)
    return 'end'
  } finally {
    await session.open?.close()
  }
}

async function exchange(session: Session, registry: Registry): Promise<'start TLS' | 'end'> {
  const { lines, out } = session
  let inRow = 0
  // Nothing is waited for where the answer is at hand, and answers to commands that were sent together go out together.
  const take = (line: Buffer): Next | Promise<Next> | undefined => {
    const answered = dispatch(session, registry, line.toString('utf8'))
    if (answered !== 'go on') return answered
    if (++inRow % IN_A_ROW === 0) return turn(answered)
    const isDue = out.queued >= BLOCK || !lines.lineReady
    return isDue ? session.send()?.then(goOn) : undefined
  }
  const reading = { max: session.services.limits.line, idleMs: () => session.patience, take }
  for (;;) {
    if (!lines.lineReady) await session.flush()
    const next = await lines.each(reading)
    if (next !== 'go on') return next ?? 'end'
  }
}

const goOn = () => 'go on' as const

async function sayEnd(session: Session, err: unknown): Promise<void> {
  const { log, out } = session
  if (!endsConnection(err)) log.error({ err }, 'the connection ended within a reply')
  // RFC 1939 §3: after the autologout timer nothing is said.
  if (err instanceof IdleTimeout) log.debug({ user: session.open?.login.address }, 'no command for too long')
  if (!(err instanceof LineTooLong)) return
  out.write(`${errLine({ message: 'The line is too long' })}\r\n`)
  await out.flush().catch(() => undefined)
}
