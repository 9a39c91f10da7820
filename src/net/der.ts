/** DER (X.690 §10) by node-forge, as much as certificates, requests for them and signatures are made of. What is written is octets at once, so what others wrote is put in as it stands. */
import forge from 'node-forge'

const { asn1 } = forge
const { Class, Type } = asn1

export type Der = Buffer

const written = (value: forge.asn1.Asn1): Der => Buffer.from(asn1.toDer(value).getBytes(), 'latin1')
const leaf = (type: forge.asn1.Type, value: Buffer | string): Der =>
  written(asn1.create(Class.UNIVERSAL, type, false, typeof value === 'string' ? value : value.toString('latin1')))

/** The bit of a tag that says that values are within (X.690 §8.1.2.5). */
const CONSTRUCTED = 0x20

/** A value that has others within, octet for octet as they are. */
function holder(of: forge.asn1.Class, type: number, values: readonly Der[]): Der {
  const der = written(asn1.create(of, type, false, Buffer.concat(values).toString('latin1')))
  der[0]! |= CONSTRUCTED
  return der
}

export const sequence = (...of: readonly Der[]): Der => holder(Class.UNIVERSAL, Type.SEQUENCE, of)
/** A SET OF, in the order that DER wants of it (§11.6). */
export const set = (...of: readonly Der[]): Der => holder(Class.UNIVERSAL, Type.SET, inOrder(of))
export const inOrder = (of: readonly Der[]): Der[] => of.toSorted(Buffer.compare)
/** [tag] around other values, or in the place of a SEQUENCE's or SET's own. */
export const context = (tag: number, of: readonly Der[]): Der => holder(Class.CONTEXT_SPECIFIC, tag, of)
/** [tag] in the place of a value's own. */
export const implicit = (tag: number, value: Buffer): Der => written(asn1.create(Class.CONTEXT_SPECIFIC, tag, false, value.toString('latin1')))
export const utf8 = (text: string): Der => leaf(Type.UTF8, Buffer.from(text, 'utf8'))
/** In two's complement, without a superfluous octet. */
export const integer = (value: Buffer): Der => leaf(Type.INTEGER, value)
export const boolean = (value: boolean): Der => leaf(Type.BOOLEAN, value ? '\xff' : '\0')
export const octets = (value: Buffer): Der => leaf(Type.OCTETSTRING, value)
/** The last `unused` bits do not count. */
export const bits = (value: Buffer, unused = 0): Der => leaf(Type.BITSTRING, Buffer.concat([Buffer.from([unused]), value]))
export const nothing: Der = leaf(Type.NULL, '')

export const oid = (id: string): Der => leaf(Type.OID, asn1.oidToDer(id).getBytes())

/** dNSName [2]: RFC 5280 §4.2.1.6. */
export const dnsName = (name: string): Der => implicit(2, Buffer.from(name, 'latin1'))
/** iPAddress [7]. */
export const ipAddress = (address: Buffer): Der => implicit(7, address)

/** UTCTime until 2049, GeneralizedTime after: RFC 5280 §4.1.2.5. `at`: milliseconds since 1970. */
export function time(at: number): Der {
  const date = new Date(at)
  return date.getUTCFullYear() < 2050 ? leaf(Type.UTCTIME, asn1.dateToUtcTime(date)) : leaf(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date))
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
