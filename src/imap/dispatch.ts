/**
 * One command from its name to its tagged line: state, grammar, run, sync, answer. It knows no command by name: what it must know of one, the
 * command declares. Every error becomes an answer here and nowhere else.
 */
import { Disconnected } from '../net/connection.ts'
import { IdleTimeout, TooSlow } from '../net/lines.ts'
import { WriteStalled } from '../net/output.ts'
import { Refusal, Unavailable } from '../store/errors.ts'
import { mayWrite } from '../store/rights.ts'
import type { Call, SyncLevel } from './command.ts'
import type { Received } from './receive.ts'
import type { Entry } from './registry.ts'
import { Bad, Bye, type Code, No, refused, uidRequired } from './reply.ts'
import type { Session } from './session.ts'
import { sync } from './sync.ts'
import { parseArguments } from './wire/parse.ts'
import { ArgumentReader } from './wire/read.ts'

export type Status = 'OK' | 'NO' | 'BAD'

interface Answer {
  readonly status: Status
  readonly text: string
  readonly code?: Code | undefined
  readonly afterwards?: (() => void) | undefined
}

/** Runs the command and writes its answer, all but flushed. Throws only what ends the connection. */
export async function dispatch(session: Session, received: Received): Promise<Answer & { readonly metered: boolean }> {
  const entry = session.registry.find(received.name)
  const answer = await answerOf(session, entry, received)
  await received.stream?.skip()
  const { status, text, code } = answer
  const line = session.out.tagged(received.tag).word(status)
  if (code) line.code(code)
  line.text(text).end()
  return { ...answer, metered: status !== 'OK' || entry?.command.metered === true }
}

async function answerOf(session: Session, entry: Entry | undefined, received: Received): Promise<Answer> {
  let level = entry?.sync ?? 'none'
  try {
    if (!entry) throw new Bad('Unknown command')
    const call = { ...entry.call, tag: received.tag }
    const args = await argumentsOf(session, entry, call, received)
    if (level === 'all' && entry.command.holds(args)) level = 'no-expunge'
    const goesOn = isOfMailbox(entry) ? session.selected?.mayGoOn() : undefined
    if (goesOn) await goesOn
    const done = await entry.command.run(session, args, call)
    const synced = await sync(session, level, entry.command.refresh ?? 'maybe')
    // A line has one code.
    if (done.code && synced) session.out.status('OK', 'Told up to here', synced)
    return { status: 'OK', text: done.ok, code: done.code ?? synced, afterwards: done.afterwards }
  } catch (error) {
    const answer = asAnswer(error, session, received.name)
    // A command that was refused may have waited long enough for news; one that was not understood changes nothing.
    if (entry && answer.status === 'NO') await syncAfter(session, level, received.name)
    return answer
  }
}

/** It speaks of the mailbox that is selected, and does more than leave it. What the index says of that needs no other word of the database. */
const isOfMailbox = ({ command, sync }: Entry): boolean => sync !== 'none' && command.states.every((state) => state === 'selected')

/** News beside a refusal. Throws only what ends the connection. */
async function syncAfter(session: Session, level: SyncLevel, cmd: string): Promise<void> {
  try {
    const synced = await sync(session, level, 'maybe')
    if (synced) session.out.status('OK', 'Told up to here', synced)
  } catch (cause) {
    asAnswer(cause, session, cmd)
  }
}

/** Throws where the command may not run now, or is not written as it should be. */
async function argumentsOf(session: Session, { command, numbered }: Entry, call: Call, received: Received): Promise<unknown> {
  if (!command.states.includes(session.state)) throw new Bad('Command not allowed in this state')
  const { uids } = session.reports
  if (uids && numbered) throw uidRequired()
  const { tables } = session.registry
  const reader = new ArgumentReader(await parseArguments(received.args), { stream: received.stream, sets: tables.sets, utf8: session.utf8, uids })
  const args = command.parse(reader, call, tables)
  reader.end()
  if (command.writes && session.selected?.readOnly) throw new No('READ-ONLY', whyReadOnly(session))
  return args
}

const whyReadOnly = ({ selected }: Session): string =>
  selected && mayWrite(selected.access.rights) ? 'The mailbox was opened with EXAMINE' : 'You may only read this mailbox'

/** What the client is told of an error. What ends the connection is thrown on. */
function asAnswer(error: unknown, session: Session, cmd: string): Answer {
  if (error instanceof No) return { status: 'NO', text: error.message, code: error.code }
  if (error instanceof Bad) return { status: 'BAD', text: error.message, code: error.code }
  if (error instanceof Refusal) return asAnswer(refused(error), session, cmd)
  if (error instanceof Unavailable) {
    session.log.warn({ cmd, err: error }, 'command not carried out: no database')
    return { status: 'NO', text: 'The server cannot do this now, try again later', code: ['UNAVAILABLE'] }
  }
  if (isEnd(error)) throw error
  session.log.error({ cmd, err: error }, 'command failed')
  return { status: 'NO', text: 'Internal error', code: ['SERVERBUG'] }
}

/** Errors after which there is nobody to answer, or BYE is the answer. */
export const isEnd = (error: unknown): boolean => ENDS.some((kind) => error instanceof kind)
const ENDS = [Bye, Disconnected, IdleTimeout, TooSlow, WriteStalled]
