/** What must hold whatever ends when: by name, for the table. */
export const RULES = {
  whole: 'a QUIT, a MOVE, a STORE is done whole or not at all',
  stays: 'what was acknowledged is done, and does not come back',
  alone: 'what nobody asked for, or what was refused, is not done',
  once: 'each message is there once',
  read: 'each message can be read by POP3 or IMAP, octet for octet',
  names: 'a unique-id names one message, for ever',
  lock: 'one session is in a maildrop, any other is told [IN-USE]',
  free: 'a maildrop is free at once after every end, after a crash within seconds; of a process that stands still when the lease runs out',
  words: 'nothing is answered but what the protocol has for it',
} as const
export type Rule = keyof typeof RULES
