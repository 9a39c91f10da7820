/** What is asked of the DNS, and how it can fail. Names are A-labels, without the dot at the end. */

export const RECORD_TYPES = ['A', 'AAAA', 'MX', 'TXT', 'TLSA', 'PTR', 'CNAME', 'NS', 'SOA', 'SRV', 'CAA'] as const
export type RecordType = (typeof RECORD_TYPES)[number]

export interface Mx {
  readonly preference: number
  /** '' is the null MX of RFC 7505. */
  readonly exchange: string
}

/** RFC 6698 §2.1. */
export interface Tlsa {
  readonly usage: number
  readonly selector: number
  readonly matchingType: number
  readonly certificate: Buffer
}

/** By type; TXT as its strings put together (RFC 7208 §3.3). */
export interface RecordData {
  readonly A: string
  readonly AAAA: string
  readonly MX: Mx
  readonly TXT: string
  readonly TLSA: Tlsa
  readonly PTR: string
  readonly CNAME: string
  readonly NS: string
  readonly SOA: { readonly mname: string; readonly serial: number }
  readonly SRV: { readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
  readonly CAA: { readonly flags: number; readonly tag: string; readonly value: string }
}

export interface Answer<T extends RecordType> {
  readonly records: readonly RecordData[T][]
  /** A validating resolver that we trust says that DNSSEC proves it, also that there is nothing. */
  readonly secure: boolean
  /** The name that the records have, after CNAMEs. */
  readonly name: string
}

/** There is no such name (NXDOMAIN). */
export class NoSuchName extends Error {
  override readonly name = 'NoSuchName'
  readonly secure: boolean
  constructor(message: string, { secure = false }: { secure?: boolean } = {}) {
    super(message)
    this.secure = secure
  }
}

/** It cannot be told now: no answer, SERVFAIL, or an answer that makes no sense. */
export class DnsTrouble extends Error {
  override readonly name = 'DnsTrouble'
}

export interface Dns {
  /** No records of that type: an empty answer. Throws NoSuchName, DnsTrouble. */
  ask<T extends RecordType>(name: string, type: T): Promise<Answer<T>>
  /** Whether the resolver validates and is trusted: without, nothing is ever `secure`. */
  readonly validates: boolean
}
