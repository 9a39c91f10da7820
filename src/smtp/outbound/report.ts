/** Telling senders what became of their mail: into their mailbox here, or back to where forwarded mail came from. Never in answer to the null reverse-path. */
import { createHash, randomUUID } from 'node:crypto'
import type { Log } from '../../log.ts'
import { type DsnRecipient, formatDsn } from '../../mail/dsn.ts'
import type { Accounts } from '../../store/accounts.ts'
import type { MailStore } from '../../store/mailstore.ts'
import { type Claim, type ClaimedMessage, NOTIFY, type Outcome, type Queue } from '../../store/queue.ts'
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
  const { store, accounts, hostname, log } = deps
  const { reversePath: to } = message
  if (to === '') return
  const recipient = await accounts.recipient(to)
  if (!recipient) {
    log.warn({ message: message.id.toString(36), to }, 'nobody is here to be told what became of a message')
    return
  }
  const unique = randomUUID()
  const octets = formatDsn({
    ...{ hostname, to, recipients, from: `MAILER-DAEMON@${hostname}`, messageId: `${unique}@${hostname}`, boundary: `report-${unique}` },
    ...{ date: Date.now(), envelopeId: message.envelopeId, arrived: message.queued, header: await headerOf(message, deps) },
  })
  const stage = store.stage(recipient.access, MAX_REPORT)
  await stage.write(Buffer.concat([Buffer.from(returnPathLine('')), octets]))
  const content = await stage.finish()
  const attempt = createHash('sha256')
    .update(`report ${recipients[0]!.action} ${ids.join(' ')}`)
    .digest('hex')
  await store.deliver(content, Date.now(), [{ to: recipient.access, mailbox: recipient.inbox, flags: [] }], attempt)
  log.info({ message: message.id.toString(36), to, recipients: recipients.length, action: recipients[0]!.action }, 'the sender was told')
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
