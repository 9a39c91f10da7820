/**
 * The Sender Rewriting Scheme (M. Wong, 2003): what is forwarded gets a reverse-path here, out of which the first sender can be told, so that SPF of his domain is not
 * asked about us and bounces come back this way. `SRS0=hash=day=domain=local@us`; of mail that was forwarded before, `SRS1=hash=forwarder==rest@us`, where the forwarder
 * knows what the rest means. Nobody else can make one: the hash is keyed.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalDomain, formatAddrSpec, MAX_LOCAL_BYTES, parseAddrSpec } from './address.ts'

/** For how many days after it was sent on a message may come back. */
export const SRS_DAYS = 21

const DAY_MS = 86_400_000
/** RFC 4648 §6; of any case, since some servers change that. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** A day is two of its digits: it comes again after 1024 days. */
const CYCLE = 1024
/** 40 bits. */
const HASH_DIGITS = 8

export interface Srs {
  /** The reverse-path in `domain`, one of ours, of what `sender` sent. undefined: that would be too long for an address, or it is none. */
  forward(sender: string, domain: string): string | undefined
  /** Whom a local part was made of. undefined: not by us, or too long ago. */
  back(local: string): string | undefined
}

export const isSrs = (local: string): boolean => /^SRS[01][=+-]/i.test(local)

/** `now`: milliseconds since 1970. */
export function createSrs(key: Uint8Array, now: () => number = Date.now): Srs {
  const today = (): number => Math.floor(now() / DAY_MS) % CYCLE
  return {
    forward(sender, domain) {
      const spec = parseAddrSpec(sender)
      if (!spec) return undefined
      const local = isSrs(spec.local) ? again(spec.local, spec.domain, key) : first(spec.local, spec.domain, today(), key)
      return Buffer.byteLength(local) > MAX_LOCAL_BYTES ? undefined : formatAddrSpec({ local, domain })
    },
    back(local) {
      return /^SRS0/i.test(local) ? toSender(local, today(), key) : toForwarder(local, key)
    },
  }
}

function first(local: string, domain: string, today: number, key: Uint8Array): string {
  const signed = `${dayOf(today)}=${domain}=${local}`
  return `SRS0=${hashOf('0', signed, key)}=${signed}`
}

/** Of what is `SRS1` already only the forwarder who spoke last is left out: the way back leads past him. */
function again(local: string, domain: string, key: Uint8Array): string {
  const [, forwarder, rest] = /^SRS1[=+-][^=]*=([^=]+)=(.*)$/is.exec(local) ?? [undefined, domain, local.slice(4)]
  const signed = `${forwarder}=${rest}`
  return `SRS1=${hashOf('1', signed, key)}=${signed}`
}

function toSender(text: string, today: number, key: Uint8Array): string | undefined {
  const [, hash, signed, day, domain, local] = /^SRS0[=+-]([^=]+)=(([^=]+)=([^=]+)=(.+))$/is.exec(text) ?? []
  if (!isHash(hash, '0', signed, key)) return undefined
  const age = (today - daysIn(day!) + CYCLE) % CYCLE
  return age <= SRS_DAYS ? addressOf(local!, domain!) : undefined
}

function toForwarder(text: string, key: Uint8Array): string | undefined {
  const [, hash, signed, forwarder, rest] = /^SRS1[=+-]([^=]+)=(([^=]+)=([=+-].+))$/is.exec(text) ?? []
  return isHash(hash, '1', signed, key) ? addressOf(`SRS0${rest}`, forwarder!) : undefined
}

function addressOf(local: string, domain: string): string | undefined {
  const known = canonicalDomain(domain)
  return known === undefined ? undefined : formatAddrSpec({ local, domain: known })
}

/** Of text of any case: what comes back may have been changed in that. */
function hashOf(kind: string, signed: string, key: Uint8Array): string {
  const digest = createHmac('sha256', key).update(`${kind}\0${signed.toLowerCase()}`).digest()
  return Array.from(digest.subarray(0, HASH_DIGITS), (octet) => BASE32[octet & 31]).join('')
}

function isHash(given: string | undefined, kind: string, signed: string | undefined, key: Uint8Array): boolean {
  if (given === undefined || signed === undefined) return false
  const [a, b] = [Buffer.from(given.toUpperCase()), Buffer.from(hashOf(kind, signed, key))]
  return a.length === b.length && timingSafeEqual(a, b)
}

const dayOf = (day: number): string => `${BASE32[day >> 5]}${BASE32[day & 31]}`
/** NaN for what is no day: it is older than all. */
const daysIn = (text: string): number =>
  /^[A-Z2-7]{2}$/i.test(text) ? [...text.toUpperCase()].reduce((sum, c) => sum * 32 + BASE32.indexOf(c), 0) : NaN
