/** Flag algebra. Flags are bits: 0–4 the system flags, 5–62 a mailbox's own keywords, in two unsigned 32-bit words. RFC 9051 §2.3.2. */

export const SYSTEM_FLAGS = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft'] as const
export type SystemFlag = (typeof SYSTEM_FLAGS)[number]

/** Bits 0–31 and 32–62. */
export interface Flags {
  readonly lo: number
  readonly hi: number
}

export const FIRST_KEYWORD_BIT = SYSTEM_FLAGS.length
export const MAX_KEYWORDS = 58
export const MAX_KEYWORD_LENGTH = 50

export const NO_FLAGS: Flags = { lo: 0, hi: 0 }
export const ALL_FLAGS: Flags = { lo: 0xffffffff, hi: 0x7fffffff }
export const ANSWERED = 1
export const FLAGGED = 2
export const DELETED = 4
export const SEEN = 8
export const DRAFT = 16

export const flagBit = (bit: number): Flags => (bit < 32 ? { lo: (1 << bit) >>> 0, hi: 0 } : { lo: 0, hi: (1 << (bit - 32)) >>> 0 })
export const union = (a: Flags, b: Flags): Flags => ({ lo: (a.lo | b.lo) >>> 0, hi: (a.hi | b.hi) >>> 0 })
export const without = (a: Flags, b: Flags): Flags => ({ lo: (a.lo & ~b.lo) >>> 0, hi: (a.hi & ~b.hi) >>> 0 })
export const intersection = (a: Flags, b: Flags): Flags => ({ lo: (a.lo & b.lo) >>> 0, hi: (a.hi & b.hi) >>> 0 })
export const sameFlags = (a: Flags, b: Flags): boolean => a.lo === b.lo && a.hi === b.hi
export const isNone = (a: Flags): boolean => a.lo === 0 && a.hi === 0

const bits = new DataView(new ArrayBuffer(8))
/** As Postgres keeps them: one signed 64-bit integer whose sign bit is never used. */
export function toBigint(f: Flags): bigint {
  bits.setUint32(0, f.hi)
  bits.setUint32(4, f.lo)
  return bits.getBigInt64(0)
}
export function fromBigint(n: bigint): Flags {
  bits.setBigInt64(0, n)
  return { hi: bits.getUint32(0), lo: bits.getUint32(4) }
}

/** The system flag's bit, or undefined for a keyword or an unknown `\Name`. Case does not count. */
export function systemFlag(name: string): number | undefined {
  const at = SYSTEM_FLAGS.findIndex((f) => f.toLowerCase() === name.toLowerCase())
  return at < 0 ? undefined : at
}

/** Names of the set bits, system flags first. `keywords[i]` is bit 5 + i. */
export function flagNames(f: Flags, keywords: readonly string[]): string[] {
  const names: string[] = SYSTEM_FLAGS.filter((_, bit) => f.lo & (1 << bit))
  for (let i = 0; i < keywords.length; i++) {
    const bit = FIRST_KEYWORD_BIT + i
    if (bit < 32 ? f.lo & (1 << bit) : f.hi & (1 << (bit - 32))) names.push(keywords[i]!)
  }
  return names
}

export interface NamedFlags {
  readonly flags: Flags
  /** Keywords that the mailbox has no slot for, in the order given. */
  readonly unknown: readonly string[]
}

/** Flags for names. Keywords compare without case (RFC 9051 §2.3.2); a `\Name` that is no system flag is the caller's to refuse. */
export function flagsOf(names: readonly string[], keywords: readonly string[]): NamedFlags {
  let flags = NO_FLAGS
  const unknown: string[] = []
  const slots = new Map(keywords.map((k, i) => [k.toLowerCase(), FIRST_KEYWORD_BIT + i]))
  for (const name of names) {
    const bit = systemFlag(name) ?? slots.get(name.toLowerCase())
    if (bit !== undefined) flags = union(flags, flagBit(bit))
    else if (!unknown.some((u) => u.toLowerCase() === name.toLowerCase())) unknown.push(name)
  }
  return { flags, unknown }
}
