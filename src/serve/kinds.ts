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
  /** Only where the config switches it on. */
  readonly onRequest?: true
  /** What a connection is told in the clear that is not let in; without one it is closed. */
  readonly refusal?: (why: string) => string
}

const smtp = (why: string): string => `421 4.7.0 ${why}\r\n`
const pop = (why: string): string => `-ERR [SYS/TEMP] ${why}\r\n`

export const KINDS: Readonly<Record<ServiceName, ServiceKind>> = {
  mx: { standard: 25, high: 2525, tls: 'starttls', role: 'mx', refusal: smtp },
  submission: { standard: 587, high: 2587, tls: 'both', role: 'submission', refusal: smtp },
  submissions: { standard: 465, high: 2465, tls: 'implicit', role: 'submission' },
  imaps: { standard: 993, high: 2993, tls: 'implicit', alpn: ['imap'], role: 'imap' },
  pop3s: { standard: 995, high: 2995, tls: 'implicit', alpn: ['pop3'], role: 'pop3' },
  pop3: { standard: 110, high: 2110, tls: 'starttls', alpn: ['pop3'], role: 'pop3', onRequest: true, refusal: pop },
  https: { standard: 443, high: 2443, tls: 'implicit', alpn: ['http/1.1'], role: 'http' },
}
