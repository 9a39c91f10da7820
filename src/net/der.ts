/** DER (X.690 §10), as much as certificates, requests for them and signatures are made of. What is written is octets at once, so what others wrote is put in as it stands. */

export type Der = Buffer

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const
const CONTEXT = 0x80
const CONSTRUCTED = 0x20

/** Tag, length, contents. */
function tlv(tag: number, ...contents: readonly Buffer[]): Der {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  const short = length.subarray(length.findIndex((octet) => octet !== 0))
  return Buffer.concat([Buffer.from([tag, 0x80 | short.length]), short, body])
}

export const sequence = (...of: readonly Der[]): Der => tlv(TAG.sequence, ...of)
/** A SET OF, in the order that DER wants of it (§11.6). */
export const set = (...of: readonly Der[]): Der => tlv(TAG.set, ...inOrder(of))
export const inOrder = (of: readonly Der[]): Der[] => of.toSorted(Buffer.compare)
/** [tag] around other values, or in the place of a SEQUENCE's or SET's own. */
export const context = (tag: number, of: readonly Der[]): Der => tlv(CONTEXT | CONSTRUCTED | tag, ...of)
/** [tag] in the place of a value's own. */
export const implicit = (tag: number, value: Buffer): Der => tlv(CONTEXT | tag, value)
export const utf8 = (text: string): Der => tlv(TAG.utf8String, Buffer.from(text, 'utf8'))
/** In two's complement, without a superfluous octet. */
export const integer = (value: Buffer): Der => tlv(TAG.integer, value)
export const boolean = (value: boolean): Der => tlv(TAG.boolean, Buffer.from([value ? 0xff : 0]))
export const octets = (value: Buffer): Der => tlv(TAG.octetString, value)
/** The last `unused` bits do not count. */
export const bits = (value: Buffer, unused = 0): Der => tlv(TAG.bitString, Buffer.from([unused]), value)
export const nothing: Der = tlv(TAG.null)

/** Of numbers below 2^31. */
export function oid(id: string): Der {
  const [first = 0, second = 0, ...rest] = id.split('.').map(Number)
  return tlv(TAG.oid, Buffer.from([40 * first + second, ...rest].flatMap(base128)))
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f))
  return digits
}

/** dNSName [2]: RFC 5280 §4.2.1.6. */
export const dnsName = (name: string): Der => implicit(2, Buffer.from(name, 'latin1'))
/** iPAddress [7]. */
export const ipAddress = (address: Buffer): Der => implicit(7, address)

/** UTCTime until 2049, GeneralizedTime after: RFC 5280 §4.1.2.5. `at`: milliseconds since 1970. */
export function time(at: number): Der {
  const date = new Date(at)
  const text = `${date.toISOString().slice(0, 19).replace(/\D/g, '')}Z`
  return date.getUTCFullYear() < 2050 ? tlv(TAG.utcTime, Buffer.from(text.slice(2))) : tlv(TAG.generalizedTime, Buffer.from(text))
}

export interface Element {
  readonly tag: number
  readonly contents: Buffer
  /** With tag and length. */
  readonly whole: Der
}

/** What lies within the contents of a SEQUENCE or SET, one after the other. Throws RangeError where it is cut off. */
export function* elements(contents: Buffer): Generator<Element, undefined> {
  for (let at = 0; at < contents.length; ) {
    const first = contents.readUInt8(at + 1)
    const more = first < 0x80 ? 0 : first & 0x7f
    const start = at + 2 + more
    const end = start + (more === 0 ? first : contents.readUIntBE(at + 2, more))
    if (end > contents.length) throw new RangeError('DER is cut off')
    yield { tag: contents.readUInt8(at), contents: contents.subarray(start, end), whole: contents.subarray(at, end) }
    at = end
  }
}

/** RFC 7468 §2. */
export const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`
