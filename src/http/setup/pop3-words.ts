/** What POP3 does with an account's mail, in words for who has it: docs/pop3.md in short. What is said comes from the functions that decide. */
import { expireOf, fateOf, type Pop3Policy } from '../../store/pop3-policy.ts'

export interface Pop3Words {
  /** What becomes of what the program deletes, and of what it fetches and leaves. */
  readonly fate: readonly [deleted: string, fetched: string]
  /** Sentences, each on its own. */
  readonly more: readonly string[]
  /** What programs that ask are told (CAPA). */
  readonly told: string
}

const [DELETED, FETCHED] = [1, 3]

const WHEN_DELETED = {
  expunge: 'is deleted for good: it is gone for IMAP and for your other devices, too.',
  hide: 'is hidden from POP3 only: IMAP has it still, and it takes up space.',
  '\\Trash': 'is moved to your Trash.',
  '\\Archive': 'is moved to your Archive.',
} as const

const WHEN_FETCHED = {
  expunge: 'is deleted for good, too',
  hide: 'is hidden from POP3, too',
  '\\Trash': 'is moved there, too',
  '\\Archive': 'is moved there, too',
} as const

export function pop3Words(policy: Pop3Policy): Pop3Words {
  const { taken, how, seen } = fateOf(policy, { deleted: [DELETED, DELETED], retrieved: [FETCHED, FETCHED] })
  const fetched = taken.includes(FETCHED)
    ? `What it fetches ${WHEN_FETCHED[how]}, also where the program is told to leave messages on the server.`
    : 'What it fetches and does not delete stays on the server, for as long as you like.'
  return {
    fate: [`What your mail program deletes on the server ${WHEN_DELETED[how]}`, fetched],
    more: [
      'This happens when the program ends its session as it should (QUIT). Where it is cut off, nothing changes.',
      ...(how === 'hide' ? [hidden(policy)] : []),
      ...(seen.length > 0 ? ['What it fetches counts as read for IMAP.'] : []),
      ...shown(policy, how),
      ...(policy.loginDelay > 0
        ? [`The next login may come ${seconds(policy.loginDelay)} after the last one. One that comes earlier is refused, which is no wrong password.`]
        : []),
      ...(policy.outlookRepairs
        ? ['For old versions of Outlook, a NUL in a message is sent as another octet, and a blank line that is missing behind its header is added.']
        : []),
    ],
    told: `EXPIRE ${expireOf(policy.afterDownload)}`,
  }
}

const hidden = ({ keepDays }: Pop3Policy): string =>
  keepDays === undefined
    ? 'What is hidden stays until you delete it by IMAP.'
    : `What is hidden is deleted for good ${keepDays === 1 ? 'a day' : `${keepDays} days`} later, unless you move it, or take its mark off, by IMAP.`

function shown({ folder, maxListed }: Pop3Policy, how: keyof typeof WHEN_DELETED): string[] {
  const elsewhere = folder.toUpperCase() !== 'INBOX'
  return [
    ...(elsewhere ? [`POP3 shows your mailbox “${folder}”, not your inbox. Where there is no such mailbox, POP3 logins are refused.`] : []),
    ...(elsewhere && how === '\\Trash' ? ['Where that is your Trash, what would be moved there is deleted for good.'] : []),
    ...(elsewhere && how === '\\Archive'
      ? ['Where that is your Archive, what would be moved there is hidden from POP3, and IMAP has it still.']
      : []),
    ...(maxListed === undefined
      ? []
      : [`POP3 shows ${maxListed === 1 ? 'the newest message' : `the ${maxListed} newest messages`}; older ones come up as newer ones go.`]),
  ]
}

const seconds = (count: number): string =>
  count % 60 === 0 ? `${count / 60} minute${count === 60 ? '' : 's'}` : `${count} second${count === 1 ? '' : 's'}`
