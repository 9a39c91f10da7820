/**
 * The certificate that a first start makes for itself. An ECDSA P-256 key, since a handshake then costs the server a tenth of what RSA-2048 does. node-forge
 * can only build RSA certificates, so its DER writer is used (RFC 5280 §4.1 is a dozen lines of it) and node:crypto makes the key and signs.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import forge from 'node-forge'

const { asn1 } = forge
const { Class, Type } = asn1

type Der = forge.asn1.Asn1

export interface Wanted {
  /** A domain name: the common name, and the first of the names. */
  readonly hostname: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** Of an earlier certificate, so that a client that pinned the key still knows it. */
  readonly key?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }
}

/** Apple's systems refuse a server certificate that is valid for longer than 825 days, trusted by hand or not. */
export const VALID_DAYS = 820
const DAY = 86_400_000

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const

/** PEM certificate and PKCS #8 key for the host, localhost, 127.0.0.1 and ::1. */
export function makeSelfSigned({ hostname, now, key }: Wanted): { cert: string; key: string } {
  const { privateKey, publicKey } = key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const name = sequence(set(sequence(oid(OID.commonName), utf8(hostname.slice(0, 64)))))
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const body = sequence(
    context(0, [integer(Buffer.from([2]))]), // v3
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])), // positive, 126 bits of chance
    algorithm,
    name,
    sequence(time(now - DAY), time(now + VALID_DAYS * DAY)), // a day back: clocks differ
    name,
    asn1.fromDer(spki.toString('latin1')),
    context(3, [sequence(...extensions(hostname, spki))]),
  )
  const signature = sign('sha256', bytes(body), privateKey)
  const der = bytes(sequence(body, algorithm, leaf(Type.BITSTRING, `\0${signature.toString('latin1')}`)))
  return { cert: pem('CERTIFICATE', der), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

function extensions(hostname: string, spki: Buffer): Der[] {
  const keyId = createHash('sha1').update(publicKeyBits(spki)).digest() // RFC 5280 §4.2.1.2 (1): a name, not a protection
  const hosts = [...new Set([hostname, 'localhost'])].map((host) => generalName(2, host))
  const names = [...hosts, ...LOOPBACKS.map((ip) => generalName(7, ip.toString('latin1')))]
  return [
    extension(OID.basicConstraints, sequence(), true), // no CA
    extension(OID.keyUsage, leaf(Type.BITSTRING, '\x07\x80'), true), // digitalSignature
    extension(OID.extKeyUsage, sequence(oid(OID.serverAuth))),
    extension(OID.subjectAltName, sequence(...names)),
    extension(OID.subjectKeyIdentifier, leaf(Type.OCTETSTRING, keyId.toString('latin1'))),
    extension(OID.authorityKeyIdentifier, sequence(asn1.create(Class.CONTEXT_SPECIFIC, 0 as number, false, keyId.toString('latin1')))),
  ]
}

/** What stands in the SubjectPublicKeyInfo's bit string: for P-256 the last 65 octets. */
const publicKeyBits = (spki: Buffer): Buffer => spki.subarray(-65)

const extension = (id: string, value: Der, critical = false): Der =>
  sequence(oid(id), ...(critical ? [leaf(Type.BOOLEAN, '\xff')] : []), leaf(Type.OCTETSTRING, asn1.toDer(value).getBytes()))

const LOOPBACKS = [Buffer.from([127, 0, 0, 1]), Buffer.from([...Array(15).fill(0), 1])]

/** dNSName [2] and iPAddress [7]: RFC 5280 §4.2.1.6. */
const generalName = (tag: 2 | 7, value: string): Der => asn1.create(Class.CONTEXT_SPECIFIC, tag as number, false, value)

/** UTCTime until 2049, GeneralizedTime after: RFC 5280 §4.1.2.5. */
function time(at: number): Der {
  const date = new Date(at)
  return date.getUTCFullYear() < 2050 ? leaf(Type.UTCTIME, asn1.dateToUtcTime(date)) : leaf(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date))
}

const leaf = (type: forge.asn1.Type, value: string): Der => asn1.create(Class.UNIVERSAL, type, false, value)
const sequence = (...of: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, of)
const set = (...of: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SET, true, of)
const context = (tag: number, of: Der[]): Der => asn1.create(Class.CONTEXT_SPECIFIC, tag, true, of)
const oid = (id: string): Der => leaf(Type.OID, asn1.oidToDer(id).getBytes())
const utf8 = (text: string): Der => leaf(Type.UTF8, Buffer.from(text, 'utf8').toString('latin1'))
const integer = (octets: Buffer): Der => leaf(Type.INTEGER, octets.toString('latin1'))
const bytes = (der: Der): Buffer => Buffer.from(asn1.toDer(der).getBytes(), 'latin1')

const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`
