/** The commands that carry an envelope, with what the other server offers to know of it: RFC 5321, 1870, 6152, 6531, 3461, 8689. */
import { NOTIFY } from '../../store/queue.ts'
import { Failure } from './failure.ts'

export interface OutgoingRecipient {
  readonly address: string
  readonly notify: number
  readonly original?: string | undefined
}

export interface OutgoingMail {
  readonly reversePath: string
  readonly recipients: readonly OutgoingRecipient[]
  readonly size: number
  readonly eightBit: boolean
  readonly utf8: boolean
  /** Its header is in UTF-8: it may go nowhere without SMTPUTF8 (RFC 6531 §3.5). */
  readonly utf8Header?: boolean
  readonly requireTls: boolean
  readonly envelopeId?: string | undefined
  readonly ret?: 'FULL' | 'HDRS' | undefined
  /** One command at a time, though the server may take them together: so that who is too slow for all has some of them. */
  readonly oneByOne?: boolean
}

/** Whether the server has an extension. */
type Offers = (extension: string) => boolean

const NEEDS_UTF8 = /[^\x20-\x7e]/

interface Server {
  readonly host: string
  readonly extensions: ReadonlyMap<string, string>
  /** By TLS with somebody who is known. */
  readonly safe: boolean
}

/** Throws Failure where this server cannot have this mail. What it does not offer another host of the domain may: RFC 8689 §4.2.1. */
export function checkOffers({ reversePath, recipients, size, utf8Header, requireTls }: OutgoingMail, { host, extensions, safe }: Server): void {
  const fail = (status: string, said: string, elsewhere = false): Failure => new Failure(said, { permanent: true, status, remote: host, elsewhere })
  const most = Number(extensions.get('SIZE') ?? 0)
  if (most > 0 && size > most) throw fail('5.3.4', `The message has ${size} octets, and ${host} takes ${most}`)
  const utf8 = [reversePath, ...recipients.map((r) => r.address)].some((address) => NEEDS_UTF8.test(address))
  if (utf8 && !extensions.has('SMTPUTF8')) throw fail('5.6.7', `${host} does not take addresses like these (SMTPUTF8)`, true)
  if (utf8Header && !extensions.has('SMTPUTF8')) throw fail('5.6.9', `${host} does not take a header like this one (SMTPUTF8)`, true)
  if (requireTls && !(safe && extensions.has('REQUIRETLS'))) throw fail('5.7.30', `${host} does not promise TLS on the whole way (REQUIRETLS)`, true)
}

export function mailFrom({ reversePath, size, eightBit, utf8, requireTls, envelopeId, ret }: OutgoingMail, offers: Offers): string {
  const parameters = [
    ...(offers('SIZE') ? [`SIZE=${size}`] : []),
    // RFC 6531 §1.2: one with the other.
    ...((eightBit || (utf8 && offers('SMTPUTF8'))) && offers('8BITMIME') ? ['BODY=8BITMIME'] : []),
    ...(utf8 && offers('SMTPUTF8') ? ['SMTPUTF8'] : []),
    ...(requireTls ? ['REQUIRETLS'] : []),
    ...(ret && offers('DSN') ? [`RET=${ret}`] : []),
    ...(envelopeId !== undefined && offers('DSN') ? [`ENVID=${envelopeId}`] : []),
  ]
  return [`MAIL FROM:<${reversePath}>`, ...parameters].join(' ')
}

/** NOTIFY only where the sender said it (RFC 3461 §5.2.1). */
export function rcptTo({ address, notify, original }: OutgoingRecipient, offers: Offers): string {
  if (!offers('DSN')) return `RCPT TO:<${address}>`
  const words = [
    ...(notify & NOTIFY.success ? ['SUCCESS'] : []),
    ...(notify & NOTIFY.failure ? ['FAILURE'] : []),
    ...(notify & NOTIFY.delay ? ['DELAY'] : []),
  ]
  return [
    `RCPT TO:<${address}>`,
    ...(notify & NOTIFY.unsaid ? [] : [`NOTIFY=${words.length > 0 ? words.join(',') : 'NEVER'}`]),
    ...(original ? [`ORCPT=${original}`] : []),
  ].join(' ')
}
