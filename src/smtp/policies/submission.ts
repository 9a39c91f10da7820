/** Ports 587 and 465: mail of people here, under their own addresses, to anywhere. RFC 6409. */

import type { Log } from '../../log.ts'
import { canonical, canonicalDomain, domainOf, formatAddrSpec, parseAddrSpec } from '../../mail/address.ts'
import { withoutResultsOf } from '../../mail/auth-results.ts'
import { withoutFields } from '../../mail/header.ts'
import { foldedBlock } from '../../mail/long-lines.ts'
import { withoutScanResults } from '../../mail/scan-results.ts'
import { NOTIFY, type Queue } from '../../store/queue.ts'
import { checkSyntax, sendersOf } from '../header.ts'
import { Reply } from '../reply.ts'
import { type ScanParts, startScans } from '../scan/inspect.ts'
import { type KeysFor, signing } from '../signing.ts'
import { dateLine, messageIdLine } from '../trace.ts'
import type { User, Visit } from '../visit.ts'
import { sideBySide } from './inspections.ts'
import { acceptLocal, checkLocal } from './local.ts'
import { type Policy, type PolicyDeps, perDay, perHour } from './policy.ts'

export interface SubmissionParts {
  /** For mail to other domains; without, there is none. */
  readonly queue?: Pick<Queue, 'sent'> | undefined
  /** Absent: nothing is signed. */
  readonly keysFor?: KeysFor | undefined
  readonly hostname: string
  /** Absent: no scanner looks at the message. */
  readonly scan?: ScanParts | undefined
  readonly log: Log
}

export function submissionPolicy(deps: PolicyDeps, { queue, keysFor, hostname, scan, log }: SubmissionParts): Policy {
  const { accounts, limits, throttle } = deps
  return {
    wantsLogin: true,
    spaceBeforePath: true,
    mailParameters: new Set(['SIZE', 'BODY', 'SMTPUTF8', 'AUTH', 'RET', 'ENVID', 'REQUIRETLS', 'HOLDFOR', 'HOLDUNTIL']),
    rcptParameters: new Set(['NOTIFY', 'ORCPT']),
    hasWishes: true,
    async sender(address, visit) {
      const { account } = userOf(visit)
      // The throttle may forget; what was queued is counted durably.
      if (queue && (await queue.sent(account)).day >= limits.recipientsPerDay) throw TOO_MANY
      // The null sender is for receipts and notices that must not be answered (RFC 8098 §3); From still has to be the user's.
      if (address === '' || (await accounts.owns(account, canonical(address) ?? ''))) return
      throw new Reply(553, '5.7.1', 'That sender address does not belong to this login')
    },
    async recipient(address, wish, visit) {
      const { transaction } = visit
      if (transaction.accepted.has(address)) return
      await ration(userOf(visit), deps)
      const held = queue !== undefined && transaction.wishes.holdUntil !== undefined
      const here = held ? undefined : await acceptLocal(address, wish, visit, deps)
      if (here) {
        const path = address === 'postmaster' ? `postmaster@${deps.primaryDomain}` : address
        if (wish.notify & NOTIFY.success && !here.passesOn) transaction.confirmed.set(forwardPath(path), wish)
        return
      }
      if (!queue) throw new Reply(550, '5.7.1', 'This server is not set up to send mail to other domains')
      // What is to wait waits in the queue for everybody.
      const path = forwardPath((held && (await checkLocal(address, visit, deps))) || address)
      if (!transaction.remote.has(path)) transaction.remote.set(path, wish)
      transaction.accepted.add(address)
    },
    async header(block, { hasDate, hasMessageId }, visit) {
      const { account, address } = userOf(visit)
      checkSyntax(block)
      for (const sender of sendersOf(block)) {
        if (!(await accounts.owns(account, sender))) throw new Reply(550, '5.7.1', 'The From address does not belong to this login')
      }
      return `${hasDate ? '' : dateLine()}${hasMessageId ? '' : messageIdLine(domainOf(address))}`
    },
    delay: (visit) => (queue ? userOf(visit).submission.undoSend : 0),
    // What the null sender sends, receipts, nobody keeps.
    keeper(visit) {
      const { access, submission } = userOf(visit)
      return submission.sentCopy && visit.transaction.from !== '' ? access : undefined
    },
    // Whom it names gets the message by RCPT, and nobody else is to know (RFC 5322 §3.6.3, §5).
    // What this server found out only this server says (RFC 8601 §5).
    strip: (block) => foldedBlock(withoutScanResults(withoutResultsOf(hostname, withoutFields(block, BLIND)))),
    shortLines: true,
    // Whoever writes as somebody else was refused by `header`.
    async signer(message) {
      const [from] = sendersOf(message.block)
      const keys = from === undefined ? [] : ((await keysFor?.(domainOf(from))) ?? [])
      return keys.length > 0 ? signing(keys, message, log) : undefined
    },
    inspect: async ({ added }, visit) => scan && sideBySide(await startScans(added, visit, { ...scan, hostname, throttle, log })),
  }
}

/** Only its host may tell how a local part is meant (RFC 5321 §2.4): it stays as it was written. */
function forwardPath(address: string): string {
  const spec = parseAddrSpec(address)
  const domain = spec && canonicalDomain(spec.domain)
  if (!spec || !domain) throw new Reply(553, '5.1.3', 'That is no address to send to')
  return formatAddrSpec({ local: spec.local, domain })
}

const BLIND: ReadonlySet<string> = new Set(['bcc', 'resent-bcc'])

const TOO_MANY = new Reply(452, '4.7.1', 'Too many recipients for now, try again later')

function userOf({ user }: Visit): User {
  if (user === undefined) throw new Reply(530, '5.7.0', 'Authentication required')
  return user
}

async function ration({ account }: User, { throttle, limits }: PolicyDeps): Promise<void> {
  const hour = await throttle.take(`smtp:recipients:hour:${account}`, perHour(limits.recipientsPerHour))
  const day = hour.ok ? await throttle.take(`smtp:recipients:day:${account}`, perDay(limits.recipientsPerDay)) : hour
  if (!day.ok) throw TOO_MANY
}
