/** A delivery status notification: what a sender is told of a message that did not arrive, arrived, or is late. RFC 3464 in a multipart/report of RFC 6522. */
import { formatDate } from './date.ts'
import { foldedBlock, hasLongLine } from './long-lines.ts'
import { QuotedPrintableEncoder } from './transfer-encoder.ts'

export type DsnAction = 'failed' | 'delayed' | 'relayed' | 'delivered'

export interface DsnRecipient {
  /** Final-Recipient. */
  readonly address: string
  /** ORCPT, `rfc822;…`, in xtext. */
  readonly original?: string | undefined
  readonly action: DsnAction
  /** RFC 3463. */
  readonly status: string
  /** Words, ours or of the remote host; printable ASCII. */
  readonly said: string
  /** Who said it; '' for this server. */
  readonly remote: string
  /** Of a delay: until when it is tried, milliseconds since 1970. */
  readonly until?: number | undefined
}

export interface Dsn {
  /** The server that writes it. */
  readonly hostname: string
  /** `MAILER-DAEMON@…`. */
  readonly from: string
  readonly to: string
  /** Without the angle brackets. */
  readonly messageId: string
  readonly boundary: string
  readonly date: number
  /** ENVID, in xtext. */
  readonly envelopeId?: string | undefined
  /** When the message came. */
  readonly arrived: number
  /** Shown as text/rfc822-headers, CRLF line ends. */
  readonly header: Buffer
  /** All of it, to be shown instead (RFC 3461 §4.3). Where a line of it is too long to go anywhere the header is shown all the same. */
  readonly whole?: Buffer | undefined
  readonly recipients: readonly DsnRecipient[]
  /** What it tells of had `TLS-Required: No` (RFC 8689 §3), and so has this. */
  readonly tlsOptional?: boolean
}

/** Recipients of one report that the words for people name; the part for machines has all. */
const NAMED = 20
const WIDTH = 76
/** Of a word no more stands in one line. */
const ONE_LINE = /.{1,900}/gs

const SUBJECTS: Readonly<Record<DsnAction, string>> = {
  failed: 'Undelivered mail: your message could not be delivered',
  delayed: 'Delayed mail: your message has not been delivered yet',
  relayed: 'Your message was handed on',
  delivered: 'Your message was delivered',
}
const OPENINGS: Readonly<Record<DsnAction, string>> = {
  failed: 'Your message could not be delivered to:',
  delayed: 'Your message has not been delivered yet, and is still tried. You need not send it again. It waits for:',
  relayed: 'Your message was handed on to a server that does not report deliveries, for:',
  delivered: 'Your message was put into the mailbox of:',
}

/** As it is stored and sent, CRLF line ends. Words in it are ASCII, or UTF-8 where an address is. */
export function formatDsn(dsn: Dsn): Buffer {
  const { boundary, recipients } = dsn
  const header = foldedBlock(dsn.header)
  const utf8 = recipients.some(({ address }) => /[^\x20-\x7e]/.test(address)) || header.some((octet) => octet > 126)
  const type = utf8 ? 'global' : 'rfc822'
  // Whoever refuses a line of it would refuse the report (RFC 6522 §4); and no message may be encoded as a whole (RFC 2046 §5.2.1).
  const whole = dsn.whole && !hasLongLine(dsn.whole) ? dsn.whole : undefined
  const eightBit = utf8 || whole?.some((octet) => octet > 127) === true
  const encoder = !whole && hasLongLine(header) ? new QuotedPrintableEncoder() : undefined
  const encoding = encoder ? 'quoted-printable' : eightBit ? '8bit' : undefined
  const shownAs = whole ? `message/${type}` : utf8 ? 'message/global-headers' : 'text/rfc822-headers'
  const head = [
    `From: Mail Delivery System <${dsn.from}>`,
    `To: <${dsn.to}>`,
    `Subject: ${SUBJECTS[worstOf(recipients)]}`,
    `Date: ${formatDate(dsn.date)}`,
    `Message-ID: <${dsn.messageId}>`,
    // RFC 3834 §5: nobody answers this.
    'Auto-Submitted: auto-replied',
    ...(dsn.tlsOptional ? ['TLS-Required: No'] : []),
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"`,
    ...(eightBit ? ['Content-Transfer-Encoding: 8bit'] : []),
  ]
  const parts = [
    [`Content-Type: text/plain; charset=utf-8`, ...(utf8 ? ['Content-Transfer-Encoding: 8bit'] : []), '', ...words(dsn)],
    [
      `Content-Type: message/${utf8 ? 'global-delivery-status' : 'delivery-status'}`,
      ...(utf8 ? ['Content-Transfer-Encoding: 8bit'] : []),
      '',
      ...fields(dsn, type),
    ],
    [`Content-Type: ${shownAs}`, ...(encoding ? [`Content-Transfer-Encoding: ${encoding}`] : []), ''],
  ]
  const text = `${head.join('\r\n')}\r\n\r\n${parts.map((part) => `--${boundary}\r\n${part.join('\r\n')}\r\n`).join('')}`
  const shown = encoder ? [encoder.write(header), encoder.end()] : [whole ?? header]
  return Buffer.concat([Buffer.from(text), ...shown, Buffer.from(`\r\n--${boundary}--\r\n`)])
}

const ORDER: readonly DsnAction[] = ['failed', 'delayed', 'relayed', 'delivered']
const worstOf = (recipients: readonly DsnRecipient[]): DsnAction => ORDER.find((action) => recipients.some((r) => r.action === action)) ?? 'failed'

function words({ hostname, recipients }: Dsn): string[] {
  const lines = [`This is the mail server ${hostname}.`, '']
  for (const action of ORDER) {
    const these = recipients.filter((r) => r.action === action)
    if (these.length === 0) continue
    lines.push(...wrap(OPENINGS[action]), '')
    for (const { address, said, remote, until } of these.slice(0, NAMED)) {
      lines.push(`  ${address}`)
      lines.push(...wrap(remote === '' ? said : `${remote} said: ${said}`, '      '))
      if (until !== undefined) lines.push(`      It is tried until ${formatDate(until)}.`)
      lines.push('')
    }
    if (these.length > NAMED) lines.push(`  and ${these.length - NAMED} more`, '')
  }
  return lines
}

function wrap(text: string, indent = ''): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ').flatMap((one) => one.match(ONE_LINE) ?? [''])) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, indent + line]
}

/** Of xtext (RFC 3461 §4, §6.3); what it hides that may not stand in a field stays hidden. */
const meant = (xtext: string): string =>
  xtext.replace(/\+([0-9A-F]{2})/g, (as, hex: string) => (/^[2-7]/.test(hex) && hex !== '7F' ? String.fromCharCode(Number.parseInt(hex, 16)) : as))

/** RFC 3464 §2.2, §2.3; RFC 6533 for addresses in UTF-8. */
function fields({ hostname, envelopeId, arrived, recipients }: Dsn, type: 'rfc822' | 'global'): string[] {
  const addressType = type === 'global' ? 'utf-8' : 'rfc822'
  return [
    ...(envelopeId === undefined ? [] : [`Original-Envelope-Id: ${meant(envelopeId)}`]),
    `Reporting-MTA: dns; ${hostname}`,
    `Arrival-Date: ${formatDate(arrived)}`,
    ...recipients.flatMap(({ address, original, action, status, said, remote, until }) => [
      '',
      ...(original === undefined ? [] : [`Original-Recipient: ${meant(original)}`]),
      `Final-Recipient: ${addressType}; ${address}`,
      `Action: ${action}`,
      `Status: ${status}`,
      ...(remote === ''
        ? []
        : [`Remote-MTA: dns; ${remote}`, ...wrap(`Diagnostic-Code: smtp; ${said}`).map((line, i) => (i === 0 ? line : `\t${line}`))]),
      ...(until === undefined ? [] : [`Will-Retry-Until: ${formatDate(until)}`]),
    ]),
  ]
}
