/** Telling senders what became of their mail: into their mailbox here, or back to where forwarded mail came from. Never in answer to the null reverse-path. */
import { createHash, randomUUID } from 'node:crypto'
import type { Log } from '../../log.ts'
import { type DsnRecipient, formatDsn } from '../../mail/dsn.ts'
import type { Accounts } from '../../store/accounts.ts'
import type { MailStore } from '../../store/mailstore.ts'
import { type Claim, type ClaimedMessage, NOTIFY, type Outcome, type Queue } from '../../store/queue.ts'
import type { ContentId } from '../../store/types.ts'
import { returnPathLine } from '../trace.ts'
import type { Reporter } from './worker.ts'

export interface ReportDeps {
  readonly queue: Pick<Queue, 'claimReport' | 'reported'>
  readonly store: Pick<MailStore, 'stage' | 'deliver' | 'contents'>
  readonly accounts: Pick<Accounts, 'recipient'>
  readonly hostname: string
  readonly owner: string
  readonly log: Log
}

/** Reports of one round; the others are for the next. */
const AT_ONCE = 20
/** Octets of the original's header that go back with a report, and of the report. */
const MAX_HEADER = 64 * 1024
const MAX_REPORT = 4 * 1024 * 1024

export function createReporter(deps: ReportDeps): Reporter {
  return {
    async tell() {
      for (let i = 0; i < AT_ONCE; i++) {
        const report = await deps.queue.claimReport(deps.owner)
        if (!report) return
        const recipients = report.recipients.map((r): DsnRecipient => ({ ...r, action: r.kind === 'failed' ? 'failed' : 'relayed' }))
        const ids = report.recipients.map(({ id }) => id)
        await send(report.message, recipients, ids, deps)
        await deps.queue.reported(report, deps.owner)
      }
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
  const header = await headerOf(message, deps)
  await put({ to, envelopeId, arrived, header, message: id, name: ids.join(' ') }, recipients, deps)
}

export interface Delivered {
  /** Reverse-path. */
  readonly to: string
  readonly envelopeId: string | undefined
  readonly message: ContentId
  /** Of what was delivered. */
  readonly header: Buffer
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

type PutDeps = Omit<ReportDeps, 'queue' | 'owner' | 'store'> & { readonly store: Pick<MailStore, 'stage' | 'deliver'> }

async function put(of: Delivered & { readonly arrived: number }, recipients: readonly DsnRecipient[], deps: PutDeps): Promise<void> {
  const { store, accounts, hostname, log } = deps
  const { to, message: id } = of
  const recipient = await accounts.recipient(to)
  if (!recipient) {
    log.warn({ message: id.toString(36), to }, 'nobody is here to be told what became of a message')
    return
  }
  const unique = randomUUID()
  const octets = formatDsn({
    ...{ hostname, to, recipients, from: `MAILER-DAEMON@${hostname}`, messageId: `${unique}@${hostname}`, boundary: `report-${unique}` },
    ...{ date: Date.now(), envelopeId: of.envelopeId, arrived: of.arrived, header: of.header },
  })
  const stage = store.stage(recipient.access, MAX_REPORT)
  await stage.write(Buffer.concat([Buffer.from(returnPathLine('')), octets]))
  const content = await stage.finish()
  const attempt = createHash('sha256').update(`report ${recipients[0]!.action} ${of.name}`).digest('hex')
  await store.deliver(content, Date.now(), [{ to: recipient.access, mailbox: recipient.inbox, flags: [] }], attempt)
  log.info({ message: id.toString(36), to, recipients: recipients.length, action: recipients[0]!.action }, 'the sender was told')
}

/** What the other side was shown of the header, within bounds: whole fields. */
async function headerOf({ access, id, prefix, skip }: ClaimedMessage, { store }: ReportDeps): Promise<Buffer> {
  for await (const { header } of store.contents(access, [id], ['header'])) {
    if (!header) break
    const all = Buffer.concat([prefix, header.subarray(skip)])
    if (all.length <= MAX_HEADER) return all
    const cut = all.subarray(0, MAX_HEADER)
    return Buffer.concat([cut.subarray(0, cut.lastIndexOf('\r\n') + 2), Buffer.from('\r\n')])
  }
  return Buffer.from('\r\n')
}
