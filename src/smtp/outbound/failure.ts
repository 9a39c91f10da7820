/** How a delivery to another server can fail, and what that means for the message. */
import type { Told } from '../../store/queue.ts'
import type { AppliedPolicy, TlsFault } from '../../store/tls-sessions.ts'
import { sanitise } from '../reply.ts'

export interface FailureOptions {
  /** Try again later, or give up now. */
  readonly permanent: boolean
  /** RFC 3463. */
  readonly status: string
  /** The remote host, where there is one, as the DNS has it. */
  readonly remote?: string
  /** It is about this host or the way to it: another host of the domain may do better, and where none is left the whole domain waits. */
  readonly elsewhere?: boolean
  readonly cause?: unknown
  /** It is about TLS. */
  readonly fault?: TlsFault | undefined
  /** What was not kept to, where that was known before there was a connection. */
  readonly policy?: AppliedPolicy | undefined
}

export class Failure extends Error implements Told {
  override readonly name = 'Failure'
  readonly permanent: boolean
  readonly status: string
  readonly remote: string
  readonly elsewhere: boolean
  readonly fault: TlsFault | undefined
  readonly policy: AppliedPolicy | undefined
  constructor(said: string, { permanent, status, remote = '', elsewhere = false, cause, fault, policy }: FailureOptions) {
    // Others' words may be among ours: a name in a certificate, an address.
    super(sanitise(said), cause === undefined ? undefined : { cause })
    this.permanent = permanent
    this.status = status
    this.remote = sanitise(remote)
    this.elsewhere = elsewhere
    this.fault = fault
    this.policy = policy
  }

  /** Printable ASCII. */
  get said(): string {
    return this.message
  }
}

/** A transaction that came to no end, and what was said before to single recipients: a refusal stands. */
export class CutOff extends Failure {
  /** In their order. */
  readonly refused: readonly (Failure | undefined)[]
  constructor(why: Failure, said: readonly unknown[]) {
    super(why.said, why)
    this.refused = said.map((one) => (one instanceof Failure ? one : undefined))
  }
}

/** Whatever was thrown, as a failure that is worth another try: a fault of ours must not bounce anybody's mail. */
export const failureOf = (err: unknown, remote = ''): Failure =>
  err instanceof Failure
    ? err
    : new Failure(err instanceof Error ? err.message : String(err), { permanent: false, status: '4.4.2', remote, elsewhere: true, cause: err })
