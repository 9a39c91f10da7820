/** RCPT TO. RFC 5321 §4.1.1.3. */
import type { SMTPServerAddress } from 'smtp-server'
import { wishOf } from '../notify.ts'
import { needsUtf8 } from '../path.ts'
import type { Policy } from '../policies/policy.ts'
import { Reply } from '../reply.ts'
import type { Visit } from '../visit.ts'

/** RCPT commands in one transaction, for each recipient that it may have. */
const ASKED_PER_RECIPIENT = 5

/** Throws Reply. */
export async function rcptTo({ address, args }: SMTPServerAddress, visit: Visit, policy: Policy, recipients: number): Promise<void> {
  const { transaction, session } = visit
  if (++transaction.asked > ASKED_PER_RECIPIENT * recipients) throw new Reply(421, '4.5.3', 'Too many RCPT commands', { closes: true })
  if (session.envelope.rcptTo.length >= recipients && !transaction.accepted.has(address)) throw new Reply(452, '4.5.3', 'Too many recipients')
  if (needsUtf8(address) && !session.envelope.smtpUtf8) throw new Reply(553, '5.6.7', 'That address needs SMTPUTF8')
  await policy.recipient(address, wishOf(args), visit)
}
