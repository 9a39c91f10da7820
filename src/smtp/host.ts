/** What there is between a connection and the service that it belongs to. */
import type { SMTPServerSession } from 'smtp-server'
import type { Authenticator } from '../auth/login.ts'
import type { SaslMechanism } from '../auth/sasl/mechanism.ts'
import type { Log } from '../log.ts'
import type { SmtpLimits } from './limits.ts'
import type { PathRules } from './path.ts'
import type { Reply } from './reply.ts'
import type { AuthRequest } from './stages/auth.ts'
import type { User } from './visit.ts'

/** What a connection needs of the service that it belongs to. */
export interface ConnectionHost {
  readonly limits: SmtpLimits
  readonly wantsLogin: boolean
  /** EHLO says what of RFC 4865 there is. */
  readonly hasWishes: boolean
  /** That there are, before what a connection's TLS has to say. */
  readonly mechanisms: readonly SaslMechanism[]
  readonly authenticator: Authenticator | undefined
  readonly mailRules: PathRules
  readonly rcptRules: PathRules
  /** A Reply refuses DATA, and the first BDAT. */
  beforeData(session: SMTPServerSession): Reply | undefined
  freshContext(): void
  /** Throws Reply. */
  authenticate(session: SMTPServerSession, request: AuthRequest): Promise<User>
}

export interface ConnectionOptions {
  readonly remote: string
  readonly secure: boolean
  readonly log: Log
}
