/** What a domain writes about TLS to its mail servers: the TXT record, the policy, and which hosts it names. RFC 8461 §3.1, §3.2, §4.1. */
import type { StsMode, StsPolicy } from '../../../store/mta-sts.ts'

/** Seconds. What lasts for less than a day would be nothing to who waits for a day, and the RFC allows no more than a year. */
const MIN_AGE = 24 * 60 * 60
const MAX_AGE = 31_557_600
/** Patterns of one policy. */
const MAX_PATTERNS = 200
const MODES: ReadonlySet<string> = new Set<StsMode>(['enforce', 'testing', 'none'])

/** The id of the record among the name's TXT records; undefined: the domain has no policy. Records of other kinds do not count, two of this kind are none. */
export function stsIdOf(records: readonly string[]): string | undefined {
  const ours = records.filter((record) => /^v=STSv1[ \t]*;/.test(record))
  if (ours.length !== 1) return undefined
  const fields = ours[0]!.split(';').map((field) => field.trim())
  // The one after the last semicolon may be missing.
  if (fields.at(-1) === '') fields.pop()
  if (!fields.every((field) => /^[A-Za-z0-9][\w.-]{0,31}[ \t]*=[ \t]*[\x21-\x3a\x3c\x3e-\x7e]+$/.test(field))) return undefined
  const ids = fields.filter((field) => /^id[ \t]*=/.test(field)).map((field) => field.slice(field.indexOf('=') + 1).trim())
  return ids.length === 1 && /^[A-Za-z0-9]{1,32}$/.test(ids[0]!) ? ids[0] : undefined
}

export interface ReadPolicy extends StsPolicy {
  /** Seconds. */
  readonly maxAge: number
}

/** undefined: that is no policy. Of a field that stands there twice the first counts, and unknown ones are passed over; a pattern that makes no sense names nobody. */
export function readPolicy(text: string): ReadPolicy | undefined {
  const fields = new Map<string, string>()
  const mx: string[] = []
  for (const line of text.split(/\r?\n/)) {
    const [, key = '', written = ''] = /^([A-Za-z0-9][\w.-]{0,31}):(.*)$/.exec(line) ?? []
    const value = written.trim()
    if (key === 'mx') mx.push(value.toLowerCase().replace(/\.$/, ''))
    else if (!fields.has(key)) fields.set(key, value)
  }
  const mode = fields.get('mode') ?? ''
  const maxAge = fields.get('max_age') ?? ''
  const patterns = mx.filter(isPattern)
  if (fields.get('version') !== 'STSv1' || !MODES.has(mode) || !/^\d{1,10}$/.test(maxAge)) return undefined
  if (patterns.length > MAX_PATTERNS || (patterns.length === 0 && mode !== 'none')) return undefined
  return { mode: mode as StsMode, mx: patterns, maxAge: Math.min(Math.max(Number(maxAge), MIN_AGE), MAX_AGE) }
}

const isPattern = (pattern: string): boolean => pattern.length <= 255 && /^(?:\*\.)?(?!-)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(pattern)

/** `*.` stands for one label, and for no less. */
export const isNamed = (host: string, { mx }: Pick<StsPolicy, 'mx'>): boolean => {
  const name = host.toLowerCase()
  const parent = name.slice(name.indexOf('.'))
  return mx.some((pattern) => (pattern.startsWith('*') ? parent !== name && pattern.slice(1) === parent : pattern === name))
}
