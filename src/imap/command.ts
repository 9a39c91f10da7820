/**
 * The shape of a command. One object in one file says everything that dispatch, sync and CAPABILITY need to know of it, so that none of them
 * knows a command by name.
 */
import type { Done } from './reply.ts'
import type { AuthenticatedSession, SelectedSession, Session, State } from './session.ts'
import type { Tables } from './tables.ts'
import type { By } from './wire/numset.ts'
import type { ArgumentReader } from './wire/read.ts'

export type { By }

export const ANY_STATE: readonly State[] = ['anonymous', 'authenticated', 'selected']
export const LOGGED_IN = ['authenticated', 'selected'] as const

/** What sync may send before the tagged line. `no-expunge` holds EXPUNGE back, so that sequence numbers stay (RFC 9051 §7.5.1). */
export type SyncLevel = 'all' | 'no-expunge' | 'none'
/** FETCH, STORE and SEARCH hold EXPUNGE back; their UID forms are other commands and may carry it (RFC 9051 §7.5.1). */
export const HOLD_EXPUNGE = { msn: 'no-expunge', uid: 'all' } as const

/** The name a command was called by. */
export interface Call {
  /** Upper case, one of the command's `names`. */
  readonly name: string
  readonly by: By
  /** As the client wrote it: some untagged responses name the command that they belong to (RFC 4466 §2.6.2). */
  readonly tag: string
}

/** The session as the least of the states allows it to be seen. */
export type SessionIn<S extends State> = 'anonymous' extends S ? Session : 'authenticated' extends S ? AuthenticatedSession : SelectedSession

export interface Command<Args = unknown, S extends State = State> {
  /** Upper case; two words for the UID forms. */
  readonly names: readonly string[]
  /** Where it is defined. */
  readonly rfc: string
  /** BAD in any other state, before `parse`. */
  readonly states: readonly S[]
  readonly sync: SyncLevel | Readonly<Record<By, SyncLevel>>
  /** These arguments hold EXPUNGE back where the name would not: they speak of sequence numbers all the same (RFC 7162 §3.2.10.2). */
  holds?(args: NoInfer<Args>): boolean
  /** `now`: compare the mailbox with the database before sync reports (NOOP, CHECK). Else only where the bus was silent too long. */
  readonly refresh?: 'now'
  /** Changes the selected mailbox: NO after EXAMINE, before `run`. */
  readonly writes?: boolean
  /** Costs a token of the bucket that failed commands cost (`idleCommands`): nothing is gained by repeating it. */
  readonly metered?: boolean
  /** Announced while the command is registered and not disabled; `disable` of the capability takes the command away too. */
  readonly capability?: string
  /** Only there where the configuration asks for its capability. */
  readonly onRequest?: boolean
  /** Extensions that give it its words: it is there while one of them is. */
  readonly offeredBy?: readonly string[]
  /** In which states the capability is announced; all of them if absent. */
  readonly announce?: readonly State[]
  /** Literals behind so many arguments are left on the wire for `run` (`r.literalStream()`); all others are read into memory, capped. */
  readonly streamsBehind?: number
  /** Tokens in, arguments out. No I/O, no await; throws Bad for grammar, No for a value that is well-formed but refused. Dispatch checks that nothing is left over. */
  parse(r: ArgumentReader, call: Call, tables: Tables): Args
  /** Mutates or reads; does not report EXISTS, EXPUNGE or flag changes: sync does. Throws No, Bad, Refusal, Unavailable. */
  run(session: SessionIn<S>, args: Args, call: Call): Promise<Done> | Done
}

/** Any command, as registry and dispatch hold it: dispatch has checked the state, and `parse` made the arguments, before `run` is called. */
export interface AnyCommand extends Omit<Command<unknown, State>, 'run' | 'holds'> {
  holds(args: unknown): boolean
  run(session: Session, args: unknown, call: Call): Promise<Done> | Done
}

/** Declares a command; the arguments' type flows from `parse` to `run`, and the session's from `states`. */
export function command<Args, const S extends State>(definition: Command<Args, S>): AnyCommand {
  return {
    ...definition,
    holds: (args) => definition.holds?.(args as Args) ?? false,
    parse: (r, call, tables) => definition.parse(r, call, tables),
    // The state was checked by dispatch and the arguments came from this command's own `parse`.
    run: (session, args, call) => definition.run(session as SessionIn<S>, args as Args, call),
  }
}

/** What `parse` returns for a command without arguments. */
export const noArguments = (): undefined => undefined
