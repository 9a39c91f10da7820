/** The shape of a command. One object in one file says all that dispatch and CAPA need to know of it. */
import type { Done } from './reply.ts'
import type { Session, TransactionSession } from './session.ts'

/** RFC 1939 §3. UPDATE is no state that commands run in: QUIT goes through it. */
export type State = 'authorization' | 'transaction'

/** The session as the least of the states allows it to be seen. */
export type SessionIn<S extends State> = 'authorization' extends S ? Session : TransactionSession

export interface Command<Args = unknown, S extends State = State> {
  /** Upper case. */
  readonly name: string
  readonly rfc: string
  readonly states: readonly S[]
  /** Its line in CAPA, while it is registered (RFC 2449 §6). */
  readonly capability?: string | ((session: Session) => string | readonly string[])
  /** Is there before TLS, where that is not up from the first octet (RFC 2595 §4). Transaction commands need a login, and that needs TLS. */
  readonly beforeTls?: boolean
  /** Costs the client nothing and us something: more of them than `idleCommands` allows have to wait. */
  readonly paced?: boolean
  /** The connection ends after it, however it went. */
  readonly ends?: boolean
  /** `argument`: what follows the name and one space; empty for nothing. No I/O; throws Bad for what is no argument of this command. */
  parse(argument: string): Args
  /** Throws No, Bad, Refusal, Unavailable. */
  run(session: SessionIn<S>, args: Args): Promise<Done> | Done
}

/** Any command, as registry and dispatch hold it: dispatch has checked the state, and `parse` made the arguments, before `run` is called. */
export interface AnyCommand extends Omit<Command<unknown, State>, 'run'> {
  run(session: Session, args: unknown): Promise<Done> | Done
}

/** Declares a command; the arguments' type flows from `parse` to `run`, and the session's from `states`. */
export function command<Args, const S extends State>(definition: Command<Args, S>): AnyCommand {
  return {
    ...definition,
    parse: (argument) => definition.parse(argument),
    // The state was checked by dispatch and the arguments came from this command's own `parse`.
    run: (session, args) => definition.run(session as SessionIn<S>, args as Args),
  }
}
