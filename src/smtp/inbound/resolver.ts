/** Our DNS for mailauth, which knows Node's. */
import { type Dns, type Mx, NoSuchName, RECORD_TYPES, type RecordType } from '../../net/dns/dns.ts'

/** Octets of a TXT record; a longer one says nothing. RFC 7208 §3.4 asks for less than 512, and the largest keys take about 3,000. */
const MAX_TXT = 8 * 1024

export type NodeResolver = (name: string, type: string) => Promise<unknown[]>

export interface BoundedResolver {
  readonly resolve: NodeResolver
  /** Whether it could not be told what this name has. */
  readonly isTroubled: (name: string) => boolean
}

/** Once `over` aborts nothing is asked any more, and what is still open is a time-out. */
export function boundedResolver(dns: Dns, over: AbortSignal): BoundedResolver {
  const troubled = new Set<string>()
  const ended = new Promise<never>((_, reject) => over.addEventListener('abort', () => reject(coded('ETIMEOUT', 'no time left')), { once: true }))
  ended.catch(() => undefined)
  return {
    isTroubled: (name) => troubled.has(name.toLowerCase()),
    async resolve(name, type) {
      if (!isKnown(type)) throw coded('ENODATA', 'a type that nobody asks for')
      try {
        if (over.aborted) await ended
        const { records: all } = await Promise.race([dns.ask(name, type), ended])
        const records = type === 'TXT' ? (all as readonly string[]).filter((record) => record.length <= MAX_TXT) : all
        if (records.length === 0) throw coded('ENODATA', `${name} has no ${type}`)
        return records.map((record) => shaped(type, record))
      } catch (err) {
        if (err instanceof NoSuchName) throw coded('ENOTFOUND', `there is no ${name}`)
        if (err instanceof Error && 'code' in err && err.code === 'ENODATA') throw err
        troubled.add(name.toLowerCase())
        throw coded('ETIMEOUT', `the DNS has trouble with ${name}`)
      }
    },
  }
}

const isKnown = (type: string): type is RecordType => (RECORD_TYPES as readonly string[]).includes(type)

const coded = (code: string, message: string): Error => Object.assign(new Error(message), { code })

function shaped(type: RecordType, record: unknown): unknown {
  // Where white space may stand one blank is as good as many, and is read faster.
  if (type === 'TXT') return [(record as string).replace(/[ \t\r\n]{2,}/g, ' ')]
  if (type !== 'MX') return record
  const { exchange, preference } = record as Mx
  return { exchange, priority: preference }
}
