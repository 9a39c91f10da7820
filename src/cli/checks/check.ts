/** What `postern doctor` looks at, and how it says what it saw. Whatever goes to the network is given. */
import { type Dns, NoSuchName, type RecordData, type RecordType } from '../../net/dns/dns.ts'
import { plainAddress } from '../../net/dns/lists.ts'
import type { ReadPolicy } from '../../smtp/outbound/mta-sts/policy.ts'
import type { Setting } from '../zone/setting.ts'

export type Verdict = 'ok' | 'warning' | 'wrong' | 'skipped'

export interface Finding {
  readonly verdict: Verdict
  readonly about: string
  /** What is so, and what to change. */
  readonly words: string
}

export interface World {
  readonly dns: Dns
  /** Resolves when somebody takes a connection there; rejects with words. */
  readonly connect: (address: string, port: number) => Promise<void>
  /** Milliseconds that this machine's clock is ahead of others'; rejects where nobody says the time. */
  readonly clock: () => Promise<number>
  /** What a domain's web server says of MTA-STS; rejects with words. */
  readonly policy: (domain: string) => Promise<ReadPolicy>
}

/** Somebody to be looked at from outside. */
export interface Seen extends Setting {
  readonly domains: readonly string[]
  readonly world: World
  /** A domain whose mail servers are known to take connections. */
  readonly reach: string
}

export interface Words {
  readonly ok: (words: string) => Finding
  readonly warning: (words: string) => Finding
  readonly wrong: (words: string) => Finding
  readonly skipped: (words: string) => Finding
}

export function about(what: string): Words {
  const say = (verdict: Verdict) => (words: string) => ({ verdict, about: what, words })
  return { ok: say('ok'), warning: say('warning'), wrong: say('wrong'), skipped: say('skipped') }
}

/** A name that is not there has no records. Throws DnsTrouble. */
export async function ask<T extends RecordType>(dns: Dns, name: string, type: T): Promise<readonly RecordData[T][]> {
  try {
    return (await dns.ask(name, type)).records
  } catch (err) {
    if (err instanceof NoSuchName) return []
    throw err
  }
}

/** TXT records that begin with this version tag, as records of one kind do. */
export const versioned = async (dns: Dns, name: string, version: RegExp): Promise<string[]> =>
  (await ask(dns, name, 'TXT')).filter((record) => version.test(record))

/** In one form for each, so that they can be compared. */
export async function addressesAt(dns: Dns, name: string): Promise<string[]> {
  const [four, six] = await Promise.all([ask(dns, name, 'A'), ask(dns, name, 'AAAA')])
  return [...new Set([...four, ...six].map(plainAddress))]
}

export const messageOf = (err: unknown): string => (err instanceof Error ? err.message || err.name : String(err))
