/** The section `public`: mailboxes of nobody in particular, and who may do what with them. */
import { z } from 'zod'
import { section } from './limits.ts'

const MAX_PUBLIC = 500
const MAX_NAME_OCTETS = 255
const MAX_LEVELS = 20
/** Those of RFC 4314 §2.1, and the two that RFC 2086 had. */
const RIGHTS = /^[lrswipkxtecda]+$/
const WHO = 'the rights of an address, or of anyone'

/** Of one's own or a public mailbox; the rules of RFC 9051 §5.1 and our bounds. */
export const isMailboxName = (name: string): boolean =>
  !/[\p{Cc}\u2028\u2029*%]/u.test(name) &&
  Buffer.byteLength(name) <= MAX_NAME_OCTETS &&
  name.split('/').length <= MAX_LEVELS &&
  name.split('/').every((level) => level !== '')

const isPublicName = (name: string): boolean => isMailboxName(name) && !/^inbox(\/|$)/i.test(name)

/** Whom the rights are for, in canonical form: `who` is an address, `anyone`, or one of them with `-` before it. */
function canonicalWho(who: string, address: (text: string) => string | undefined): string | undefined {
  const negative = who.startsWith('-') ? '-' : ''
  const name = who.slice(negative.length)
  const known = name === 'anyone' ? name : address(name)
  return known === undefined ? undefined : negative + known
}

/** `address`: the canonical form of one. */
export function publicMailboxes(address: (text: string) => string | undefined) {
  const rights = z
    .record(
      z.string(),
      z.string({ error: 'letters of RFC 4314, such as lrs' }).refine((text) => RIGHTS.test(text), { error: 'letters of RFC 4314, such as lrs' }),
      {
        error: 'a map of who may do what, such as { anyone: lrs }',
      },
    )
    .transform((given, ctx) => {
      const entries = Object.entries(given).map(([who, may]) => [canonicalWho(who, address), who, may] as const)
      for (const [known, who] of entries) if (known === undefined) ctx.addIssue({ code: 'custom', message: WHO, path: [who] })
      return Object.fromEntries(entries.map(([known, who, may]) => [known ?? who, may]))
    })
  const name = 'a name of a mailbox, such as News or Sales/Orders'
  const mailbox = section({ name: z.string({ error: name }).refine(isPublicName, { error: name }), rights: rights.default({}) })
  return z.array(mailbox, { error: 'a list of mailboxes' }).max(MAX_PUBLIC, { error: `a list of at most ${MAX_PUBLIC} mailboxes` })
}
