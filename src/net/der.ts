/** Writing DER (X.690 §10), by node-forge: what certificates and requests for them are made of. */
import forge from 'node-forge'

const { asn1 } = forge
const { Class, Type } = asn1

export type Der = forge.asn1.Asn1

const leaf = (type: forge.asn1.Type, value: Buffer | string): Der =>
  asn1.create(Class.UNIVERSAL, type, false, typeof value === 'string' ? value : value.toString('latin1'))

export const sequence = (...of: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, of)
export const set = (...of: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SET, true, of)
/** [tag] around other values. */
export const context = (tag: number, of: Der[]): Der => asn1.create(Class.CONTEXT_SPECIFIC, tag, true, of)
/** [tag] in the place of a value's own. */
export const implicit = (tag: number, value: Buffer): Der => asn1.create(Class.CONTEXT_SPECIFIC, tag, false, value.toString('latin1'))
export const oid = (id: string): Der => leaf(Type.OID, asn1.oidToDer(id).getBytes())
export const utf8 = (text: string): Der => leaf(Type.UTF8, Buffer.from(text, 'utf8'))
export const integer = (value: Buffer): Der => leaf(Type.INTEGER, value)
export const boolean = (value: boolean): Der => leaf(Type.BOOLEAN, value ? '\xff' : '\0')
export const octets = (value: Buffer): Der => leaf(Type.OCTETSTRING, value)
/** The last `unused` bits do not count. */
export const bits = (value: Buffer, unused = 0): Der => leaf(Type.BITSTRING, Buffer.concat([Buffer.from([unused]), value]))

/** dNSName [2]: RFC 5280 §4.2.1.6. */
export const dnsName = (name: string): Der => implicit(2, Buffer.from(name, 'latin1'))
/** iPAddress [7]. */
export const ipAddress = (address: Buffer): Der => implicit(7, address)

/** UTCTime until 2049, GeneralizedTime after: RFC 5280 §4.1.2.5. */
export function time(at: number): Der {
  const date = new Date(at)
  return date.getUTCFullYear() < 2050 ? leaf(Type.UTCTIME, asn1.dateToUtcTime(date)) : leaf(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date))
}

export const parse = (der: Buffer): Der => asn1.fromDer(der.toString('latin1'))
export const bytes = (der: Der): Buffer => Buffer.from(asn1.toDer(der).getBytes(), 'latin1')

/** RFC 7468 §2. */
export const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`
