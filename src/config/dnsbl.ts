/** Of the section `inbound`: lists of addresses in the DNS, and greylisting. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { section } from './limits.ts'
import { time } from './units.ts'

export const LIST_ACTIONS = ['reject', 'junk', 'mark', 'allow'] as const
/** Every client waits for all of them, and every one of them hears of every client. */
const MAX_LISTS = 20
const MAX_REPLIES = 50
const MAX_NETWORKS = 1_000
const HOUR = 3_600_000
/** Postgrey's, which the field is used to. */
export const GREYLISTING = { delay: HOUR / 12, retry_within: 48 * HOUR, remember: 35 * 24 * HOUR, trust_after: 5 }
/** Servers may wait so long from one try to the next: who comes between `delay` and `retry_within` is let in, and nobody may miss both. */
const LONGEST_PAUSE = 6 * HOUR
const PAUSE = 'at least 6 hours longer than "delay": servers may wait that long between two tries'
const MAX_TRUST = 1_000
const TRUST = `a number of hours up to ${MAX_TRUST}`
const REPLY = 'an answer of the list, such as 127.0.0.2, 127.0.0.2-11 or 127.0.*.1-3'

const said = (expected: string) => ({ error: expected })

/** What each octet of an answer may be, from and to. */
export type ReplyPattern = readonly (readonly [number, number])[]

/** `127.0.0.2`, `127.0.0.2-11`, `127.0.*.1-3`. */
function parseReply(text: string): ReplyPattern | undefined {
  const parts = text.split('.').map((part): readonly [number, number] | undefined => {
    if (part === '*') return [0, 255]
    const [, from = '', to = from] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part) ?? []
    return from !== '' && Number(from) <= Number(to) && Number(to) <= 255 ? [Number(from), Number(to)] : undefined
  })
  const known = parts.filter((part) => part !== undefined)
  return known.length === 4 && parts.length === 4 && known[0]![0] === 127 && known[0]![1] === 127 ? known : undefined
}

const reply = z.string(said(REPLY)).transform((text, ctx) => {
  const pattern = parseReply(text)
  if (pattern !== undefined) return pattern
  ctx.addIssue({ code: 'custom', message: REPLY })
  return z.NEVER
})

/** An IP address, or a network as `10.0.0.0/8`. */
export function isNetwork(value: string): boolean {
  const [address = '', prefix, ...more] = value.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
}

/** `domain` reads the canonical form of one. */
export const screenSettings = <D extends z.ZodType<string>>(domain: D) => ({
  greylisting: section({
    enabled: z.boolean(said('true or false')),
    delay: time,
    retry_within: time,
    remember: time,
    trust_after: z.int(said(TRUST)).min(0, said(TRUST)).max(MAX_TRUST, said(TRUST)),
  })
    .partial()
    .superRefine(({ delay = GREYLISTING.delay, retry_within: within = GREYLISTING.retry_within }, ctx) => {
      if (within < delay + LONGEST_PAUSE) ctx.addIssue({ code: 'custom', message: PAUSE, path: ['retry_within'] })
    }),
  dnsbl: z
    .array(
      section({
        zone: domain,
        name: domain.optional(),
        action: z.enum(LIST_ACTIONS, said(`one of ${LIST_ACTIONS.join(', ')}`)),
        replies: z
          .array(reply, said('a list of answers, such as [127.0.0.2-11]'))
          .min(1, said('a list of at least one answer'))
          .max(MAX_REPLIES, said(`a list of at most ${MAX_REPLIES} answers`))
          .optional(),
      }),
      said('a list of zones with what is to be done'),
    )
    .max(MAX_LISTS, said(`a list of at most ${MAX_LISTS} zones`)),
  exempt: z
    .array(
      z.string(said('an address or a network')).refine(isNetwork, said('an address such as 192.0.2.7, or a network such as 10.0.0.0/24')),
      said('a list of addresses and networks'),
    )
    .max(MAX_NETWORKS, said(`a list of at most ${MAX_NETWORKS}`)),
})
