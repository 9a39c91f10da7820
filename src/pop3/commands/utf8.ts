import { noArgument } from '../arguments.ts'
import { command } from '../command.ts'

/**
 * UTF8: names, passwords and messages may be in UTF-8. RFC 6856 §2.1. All of that is so without it: names and passwords are taken in UTF-8 at any time (USER behind
 * the capability says so), and a message is what was delivered, octet for octet, so that STAT, LIST and RETR say and send the same in both modes.
 * deviation: who has not sent it gets messages with 8-bit headers as they are, neither a surrogate nor [UTF8]: programs have read them for thirty years, and
 * a message that cannot be fetched is lost to its reader.
 */
export const utf8 = command({
  name: 'UTF8',
  rfc: 'RFC 6856 §2.1',
  states: ['authorization'],
  capability: 'UTF8 USER',
  parse: noArgument,
  run: () => ({ ok: 'UTF-8 it is' }),
})
