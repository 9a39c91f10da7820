/** The services by name: on which ports, with which kind of TLS, as part of which role. */
import type { Role, ServiceName } from '../config/schema.ts'

export interface ServiceKind {
  readonly standard: number
  /** Where ports below 1024 may not be bound. */
  readonly high: number
  readonly tls: 'implicit' | 'starttls' | 'both'
  readonly alpn?: readonly string[]
  /** Who has this role opens it. */
  readonly role: Role
}

export const KINDS: Readonly<Record<ServiceName, ServiceKind>> = {
  mx: { standard: 25, high: 2525, tls: 'starttls', role: 'mx' },
  submission: { standard: 587, high: 2587, tls: 'both', role: 'submission' },
  submissions: { standard: 465, high: 2465, tls: 'implicit', role: 'submission' },
  imaps: { standard: 993, high: 2993, tls: 'implicit', alpn: ['imap'], role: 'imap' },
  pop3s: { standard: 995, high: 2995, tls: 'implicit', alpn: ['pop3'], role: 'pop3' },
}
