/** Telling senders what became of their mail: into their mailbox here, or back to where forwarded mail came from. Never in answer to the null reverse-path. */
import { createHash, randomUUID } from 'node:crypto'
import type { Log } from '../../log.ts'
import { canonical, domainOf, parseAddrSpec } from '../../mail/address.ts'
import { type DsnRecipient, formatDsn } from '../../mail/dsn.ts'
import { isSrs, type Srs } from '../../mail/srs.ts'
import type { Accounts } from '../../store/accounts.ts'
import type { MailStore } from '../../store/mailstore.ts'
import { type Claim, type ClaimedMessage, type NewOutbound, NOTIFY, type Outcome, type Queue } from '../../store/queue.ts'
import type { ContentId } from '../../store/types.ts'
import { needsUtf8 } from '../path.ts'
import { returnPathLine } from '../trace.ts'
import { LIFETIME_SECONDS } from './backoff.ts'
import type { Reporter } from './worker.ts'

export interface ReportDeps {
  readonly queue: Pick<Queue, 'claimReport' | 'reported' | 'enqueue'>
  readonly store: Pick<MailStore, 'stage' | 'deliver' | 'contents' | 'read'>
  readonly accounts: Pick<Accounts, 'recipient'>
  /** For senders of what was forwarded; absent: nothing is. */
  readonly srs?: (() => Promise<Srs>) | undefined
  /** Seconds that a report for elsewhere is tried. */
  readonly lifetime?: number | undefined
  readonly hostname: string
  readonly owner: string
  readonly log: Log
}

/** Reports of one round; the others are for the next. */
const AT_ONCE = 20
/** Octets of the original's header that go back with a report, and of the report. */
const MAX_HEADER = 64 * 1024
/** Octets of a message that goes back as a whole where that was asked for (RFC 3461 §4.3); of a larger one its header does. */
const MAX_WHOLE = 1024 * 1024
const MAX_REPORT = 4 * 1024 * 1024

export function createReporter(deps: ReportDeps): Reporter {
  return {
    async tell() {
      for (let i = 0; i < AT_ONCE; i++) {
        const report = await deps.queue.claimReport(deps.owner)
        if (!report) return false
        // What expired or was given up by hand is here whatever was asked for.
        const wanted = report.recipients.filter(({ kind, notify }) => (notify & (kind === 'failed' ? NOTIFY.failure : NOTIFY.success)) !== 0)
        const recipients = wanted.map(
          (r): DsnRecipient => ({ ...r, action: r.kind === 'failed' ? 'failed' : r.remote === '' ? 'delivered' : 'relayed' }),
        )
        const ids = wanted.map(({ id }) => id)
        if (wanted.length > 0) await send(report.message, recipients, ids, deps)
        await deps.queue.reported(report, deps.owner)
      }
      return true
    },

    async late({ message, recipients }: Claim, outcomes: readonly Outcome[]) {
      const late = outcomes.filter((o) => o.kind === 'deferred' && o.warned === true)
      const of = new Map(recipients.map((r) => [r.id, r]))
      const told = late.flatMap(({ id, status, said, remote }): DsnRecipient[] => {
        const { address, original, notify, expires } = of.get(id)!
        return (notify & NOTIFY.delay) === 0 ? [] : [{ address, original, action: 'delayed', status, said, remote, until: expires }]
      })
      if (told.length > 0)
        await send(
          message,
          told,
          late.map(({ id }) => id),
          deps,
        )
    },
  }
}

/** Once for these recipients, however often it is tried. */
async function send(message: ClaimedMessage, recipients: readonly DsnRecipient[], ids: readonly bigint[], deps: ReportDeps): Promise<void> {
  const { reversePath: to, envelopeId, queued: arrived, id } = message
  if (to === '') return
  const header = await shownHeader(message, deps)
  const whole = await wholeOf(message, recipients, deps)
  const of = { to, envelopeId, arrived, header, whole, message: id, name: ids.join(' ') }
  const local = parseAddrSpec(to)?.local ?? ''
  if (isSrs(local) && deps.srs) await sendBack(of, { recipients, by: message, sender: (await deps.srs()).back(local) }, deps)
  else await put(of, recipients, deps)
}

/** To who sent what was forwarded, the way that it came. */
async function sendBack(
  of: Delivered & Arrived,
  { recipients, by, sender }: { readonly recipients: readonly DsnRecipient[]; readonly by: ClaimedMessage; readonly sender: string | undefined },
  { store, queue, hostname, lifetime = LIFETIME_SECONDS, log }: ReportDeps,
): Promise<void> {
  const { message: id } = of
  const { access, tlsOptional = false } = by
  if (sender === undefined) return log.warn({ message: id.toString(36), to: of.to }, 'the sender of a forwarded message cannot be told any more')
  const octets = octetsOf({ ...of, to: sender, tlsOptional }, recipients, hostname)
  const stage = store.stage(access, MAX_REPORT)
  await stage.write(octets)
  const content = await stage.finish()
  const now = Date.now()
  const mail: NewOutbound = {
    ...{ reversePath: '', prefix: Buffer.alloc(0), skip: 0, requireTls: false, notBefore: now, expires: now + lifetime * 1000 },
    // The header that it shows may have octets above 127.
    eightBit: octets.some((octet) => octet > 127),
    utf8: needsUtf8(sender),
    counts: false,
    // What went without conditions is answered without.
    tlsOptional,
    recipients: [{ address: sender, domain: domainOf(sender), notify: NOTIFY.never }],
  }
  await queue.enqueue(access, content, mail, attemptOf(of, recipients))
  log.info({ message: id.toString(36), to: sender, recipients: recipients.length, action: recipients[0]!.action }, 'the sender is told')
}

export interface Delivered {
  /** Reverse-path. */
  readonly to: string
  readonly envelopeId: string | undefined
  readonly message: ContentId
  /** Of what was delivered. */
  readonly header: Buffer
  readonly whole?: Buffer | undefined
  /** Names the attempt. */
  readonly name: string
}

/** Of recipients here who have their message: their sender asked for it. */
export const tellDelivered = (
  of: Delivered,
  recipients: readonly { readonly address: string; readonly original?: string | undefined }[],
  deps: PutDeps,
): Promise<void> =>
  put(
    { ...of, arrived: Date.now() },
    recipients.map(({ address, original }) => ({
      address,
      original,
      action: 'delivered',
      status: '2.0.0',
      said: 'It is in the mailbox.',
      remote: '',
    })),
    deps,
  )

type PutDeps = Pick<ReportDeps, 'accounts' | 'hostname' | 'log'> & { readonly store: Pick<MailStore, 'stage' | 'deliver'> }

interface Arrived {
  /** Milliseconds since 1970. */
  readonly arrived: number
  readonly tlsOptional?: boolean
}

async function put(of: Delivered & Arrived, recipients: readonly DsnRecipient[], deps: PutDeps): Promise<void> {
  const { store, accounts, hostname, log } = deps
  const { to, message: id } = of
  const recipient = await accounts.recipient(canonical(to) ?? to)
  if (!recipient) {
    log.warn({ message: id.toString(36), to }, 'nobody is here to be told what became of a message')
    return
  }
  const { used, quota } = recipient
  // The report has to be there, the message need not: he has sent it.
  const hasRoom = quota === undefined || used + (of.whole?.length ?? 0) <= quota
  const octets = octetsOf(hasRoom ? of : { ...of, whole: undefined }, recipients, hostname)
  const stage = store.stage(recipient.access, MAX_REPORT)
  await stage.write(Buffer.concat([Buffer.from(returnPathLine('')), octets]))
  const content = await stage.finish()
  await store.deliver(content, Date.now(), [{ to: recipient.access, mailbox: recipient.inbox, flags: [] }], attemptOf(of, recipients))
  log.info({ message: id.toString(36), to, recipients: recipients.length, action: recipients[0]!.action }, 'the sender was told')
}

function octetsOf(
  { to, envelopeId, arrived, header, whole, tlsOptional = false }: Delivered & Arrived,
  recipients: readonly DsnRecipient[],
  hostname: string,
): Buffer {
  const unique = randomUUID()
  return formatDsn({
    ...{ hostname, to, recipients, from: `MAILER-DAEMON@${hostname}`, messageId: `${unique}@${hostname}`, boundary: `report-${unique}` },
    ...{ date: Date.now(), envelopeId, arrived, header, whole, tlsOptional },
  })
}

const attemptOf = ({ name }: Delivered, [first]: readonly DsnRecipient[]): string =>
  createHash('sha256').update(`report ${first!.action} ${name}`).digest('hex')

/** All of a message of which RET=FULL was said, where somebody did not get it: of what arrived or is late the header is enough (RFC 3461 §4.3). */
async function wholeOf(
  { access, id, prefix, skip, size, ret }: ClaimedMessage,
  recipients: readonly DsnRecipient[],
  { store }: ReportDeps,
): Promise<Buffer | undefined> {
  if (ret !== 'FULL' || size > MAX_WHOLE || recipients.every(({ action }) => action !== 'failed')) return undefined
  const pieces: Buffer[] = [prefix]
  for await (const piece of store.read(access, id, skip, skip + size - prefix.length)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** What the other side was shown of the header, within bounds: whole fields. */
export async function shownHeader(
  { access, id, prefix, skip }: ClaimedMessage,
  { store }: { readonly store: Pick<MailStore, 'contents'> },
): Promise<Buffer> {
  for await (const { header } of store.contents(access, [id], ['header'])) {
    if (!header) break
    const all = Buffer.concat([prefix, header.subarray(skip)])
    if (all.length <= MAX_HEADER) return all
    const cut = all.subarray(0, MAX_HEADER)
    return Buffer.concat([cut.subarray(0, cut.lastIndexOf('\r\n') + 2), Buffer.from('\r\n')])
  }
  return Buffer.from('\r\n')
}
