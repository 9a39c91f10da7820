/** The lines that this server writes on top of a message. RFC 5321 §4.4, RFC 6531 §3.7.3. */
import { randomUUID } from 'node:crypto'
import { formatDate } from '../mail/date.ts'
import { formatReceived, type Hop } from '../mail/received.ts'
import type { Visit } from './visit.ts'

export interface TraceOptions {
  readonly hostname: string
  /** Whether mail of a logged-in user tells where its sender sits. */
  readonly revealClient: boolean
}

/** `Received: …` with CRLF. The recipient stands in it only when there is one, so that nobody learns of a blind copy. */
export function receivedLine(visit: Visit, { hostname, revealClient }: TraceOptions, now = Date.now()): string {
  const { transaction, session, user, remote } = visit
  const { hostNameAppearsAs: helo, tlsOptions } = session
  const [only, ...more] = transaction.accepted
  return formatReceived({
    // A client at home may call itself by its own address.
    ...(user && !revealClient ? { helo: hostname } : { helo: helo || 'unknown', remote }),
    by: hostname,
    protocol: protocolOf(visit),
    id: transaction.id,
    recipient: more.length > 0 ? undefined : only,
    tls: tlsOptions === false ? undefined : `${tlsOptions.version} ${tlsOptions.standardName ?? tlsOptions.name}`,
    time: now,
  })
}

export const returnPathLine = (from: string): string => `Return-Path: <${from}>\r\n`

/** Date and Message-ID for a message that was submitted without. RFC 6409 §8.2, §8.3. */
export const dateLine = (now = Date.now()): string => `Date: ${formatDate(now)}\r\n`
export const messageIdLine = (domain: string): string => `Message-ID: <${randomUUID()}@${domain}>\r\n`

function protocolOf({ session, user }: Visit): Hop['protocol'] {
  const { openingCommand, secure, envelope } = session
  if (openingCommand !== 'EHLO') return 'SMTP'
  return `${envelope.smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'}${secure ? 'S' : ''}${user ? 'A' : ''}`
}
