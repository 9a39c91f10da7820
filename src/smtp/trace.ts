/** The lines that this server writes on top of a message. RFC 5321 §4.4, RFC 6531 §3.7.3. */
import { randomUUID } from 'node:crypto'
import { formatDate } from '../mail/date.ts'
import type { Visit } from './visit.ts'

export interface TraceOptions {
  readonly hostname: string
  /** Whether mail of a logged-in user tells where its sender sits. */
  readonly revealClient: boolean
}

/** `Received: …` with CRLF. The recipient stands in it only when there is one, so that nobody learns of a blind copy. */
export function receivedLine(visit: Visit, { hostname, revealClient }: TraceOptions, now = Date.now()): string {
  const { transaction, session, user, remote } = visit
  const from = user && !revealClient ? `from ${hostname} (a logged-in user)` : `from ${named(session.hostNameAppearsAs)} (${literal(remote)})`
  const { tlsOptions } = session
  const tls = tlsOptions === false ? '' : ` (${word(tlsOptions.version)} ${word(tlsOptions.standardName ?? tlsOptions.name)})`
  const [only, ...more] = transaction.accepted
  const recipient = only === undefined || more.length > 0 ? '' : `\r\n\tfor <${only}>`
  return `Received: ${from}\r\n\tby ${hostname} with ${protocolOf(visit)}${tls}\r\n\tid ${transaction.id}${recipient};\r\n\t${formatDate(now)}\r\n`
}

export const returnPathLine = (from: string): string => `Return-Path: <${from}>\r\n`

/** Date and Message-ID for a message that was submitted without. RFC 6409 §8.2, §8.3. */
export const dateLine = (now = Date.now()): string => `Date: ${formatDate(now)}\r\n`
export const messageIdLine = (domain: string): string => `Message-ID: <${randomUUID()}@${domain}>\r\n`

function protocolOf({ session, user }: Visit): string {
  const { openingCommand, secure, envelope } = session
  if (openingCommand !== 'EHLO') return 'SMTP'
  const name = envelope.smtpUtf8 ? 'UTF8SMTP' : 'ESMTP'
  return `${name}${secure ? 'S' : ''}${user ? 'A' : ''}`
}

/** What the client calls itself, as far as it can be a name. */
function named(helo: unknown): string {
  const name = typeof helo === 'string' ? helo.slice(0, 255) : ''
  return /^\[?[A-Za-z0-9_.:-]+\]?$/.test(name) ? name : 'unknown'
}

const literal = (address: string): string => (address.includes(':') ? `[IPv6:${address}]` : `[${address}]`)
const word = (text: string | undefined): string => (text ?? '').replace(/[^A-Za-z0-9_.-]/g, '')
