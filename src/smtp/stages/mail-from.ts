/** MAIL FROM. RFC 5321 §4.1.1.2, RFC 1870 (SIZE), RFC 6531 (SMTPUTF8). */
import type { SMTPServerAddress } from 'smtp-server'
import { wishesOf } from '../notify.ts'
import { needsUtf8 } from '../path.ts'
import type { Policy } from '../policies/policy.ts'
import { Reply } from '../reply.ts'
import type { Visit } from '../visit.ts'

/** Until when so many seconds from now are; milliseconds since 1970. */
export const holdFor = (seconds: number): number => Date.now() + seconds * 1000

/** Throws Reply. */
export async function mailFrom({ address, args }: SMTPServerAddress, visit: Visit, policy: Policy): Promise<void> {
  const { transaction, session } = visit
  if (needsUtf8(address) && !session.envelope.smtpUtf8) throw new Reply(553, '5.6.7', 'That address needs SMTPUTF8')
  await policy.sender(address, visit)
  transaction.from = address
  const wishes = wishesOf(args)
  transaction.delay = policy.delay?.(visit) ?? 0
  transaction.wishes = transaction.delay > 0 ? { ...wishes, holdUntil: Math.max(wishes.holdUntil ?? 0, holdFor(transaction.delay)) } : wishes
  const size = args === false ? undefined : args['SIZE']
  transaction.announced = typeof size === 'string' ? Number(size) : undefined
}
