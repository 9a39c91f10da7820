/** The section `pop3` of a mailbox, and of an app password, where it counts before the mailbox's: what POP3 does on the server's side. */
import { z } from 'zod'
import { section } from './limits.ts'
import { isMailboxName } from './public.ts'
import { time } from './units.ts'

/** As store/pop3-policy.ts has them. */
const AFTER_DOWNLOAD = ['client', 'delete', 'keep', 'trash', 'archive'] as const
const DAY = 86_400_000
const SECOND = 1000
const MAX_KEEP_DAYS = 3650
const MAX_LISTED = 10_000_000
const MAX_LOGIN_DELAY = DAY

const said = (expected: string) => ({ error: expected })
const yesNo = z.boolean(said('true or false'))
const whole = (most: number) => {
  const expected = said(`a whole number, 1 to ${most}`)
  return z.int(expected).min(1, expected).max(most, expected)
}
const FOLDER = said('a name of a mailbox of this user, such as INBOX or Reports/Daily')
/** `INBOX` in any case is INBOX (RFC 9051 §5.1). */
const folder = z
  .string(FOLDER)
  .refine((name) => isMailboxName(name), FOLDER)
  .transform((name) => name.replace(/^inbox(?=\/|$)/i, 'INBOX'))
const delay = time
  .refine((ms) => ms % SECOND === 0 && ms <= MAX_LOGIN_DELAY, said('whole seconds, up to a day, such as 60 s'))
  .transform((ms) => ms / SECOND)

export const pop3 = section({
  after_download: z.enum(AFTER_DOWNLOAD, said(`one of ${AFTER_DOWNLOAD.join(', ')}`)),
  keep_days: whole(MAX_KEEP_DAYS),
  folder,
  seen_on_retr: yesNo,
  max_listed: whole(MAX_LISTED),
  login_delay: delay,
  outlook_repairs: yesNo,
})
  .partial()
  .optional()

export type Pop3Config = z.output<typeof pop3>
