/**
 * Certificates that this server makes itself: the one of a first start, and the one that answers an authority's challenge. An ECDSA P-256 key, since a handshake then costs
 * the server a tenth of what RSA-2048 does. node:crypto makes the key and signs, and cannot build a certificate: RFC 5280 §4.1 is a dozen lines of DER.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { bits, boolean, context, type Der, dnsName, implicit, integer, ipAddress, octets, oid, pem, sequence, set, time, utf8 } from './der.ts'

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
  acmeIdentifier: '1.3.6.1.5.5.7.1.31',
} as const

/** PEM certificate and PKCS #8 key for the host, localhost, 127.0.0.1 and ::1. */
export function makeSelfSigned({ hostname, now, key }: Wanted): { cert: string; key: string } {
  const hosts = [...new Set([hostname, 'localhost'])].map(dnsName)
  return make({ name: hostname, now, days: VALID_DAYS, names: [...hosts, ...LOOPBACKS.map(ipAddress)], ...(key && { key }) })
}

/** For a day or so; no client ever sees it. */
const CHALLENGE_DAYS = 2

/** Proves to an authority who serves that name: `digest` is the SHA-256 of the key authorization (RFC 8737 §3). */
export function makeChallenge(name: string, digest: Buffer, now = Date.now()): { cert: string; key: string } {
  const proof = extension(OID.acmeIdentifier, octets(digest), true)
  return make({ name, now, days: CHALLENGE_DAYS, names: [dnsName(name)], more: [proof] })
}

interface Made {
  readonly name: string
  readonly now: number
  readonly days: number
  readonly names: readonly Der[]
  readonly more?: readonly Der[]
  readonly key?: Wanted['key']
}

function make({ name: of, now, days, names, more = [], key }: Made): { cert: string; key: string } {
  const { privateKey, publicKey } = key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const name = sequence(set(sequence(oid(OID.commonName), utf8(of.slice(0, 64)))))
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const body = sequence(
    context(0, [integer(Buffer.from([2]))]), // v3
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])), // positive, 126 bits of chance
    algorithm,
    name,
    sequence(time(now - DAY), time(now + days * DAY)), // a day back: clocks differ
    name,
    spki,
    context(3, [sequence(...extensions(names, spki), ...more)]),
  )
  const der = sequence(body, algorithm, bits(sign('sha256', body, privateKey)))
  return { cert: pem('CERTIFICATE', der), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

function extensions(names: readonly Der[], spki: Buffer): Der[] {
  const keyId = createHash('sha1').update(publicKeyBits(spki)).digest() // RFC 5280 §4.2.1.2 (1): a name, not a protection
  return [
    extension(OID.basicConstraints, sequence(), true), // no CA
    extension(OID.keyUsage, bits(Buffer.from([0x80]), 7), true), // digitalSignature
    extension(OID.extKeyUsage, sequence(oid(OID.serverAuth))),
    extension(OID.subjectAltName, sequence(...names)),
    extension(OID.subjectKeyIdentifier, octets(keyId)),
    extension(OID.authorityKeyIdentifier, sequence(implicit(0, keyId))),
  ]
}

/** What stands in the SubjectPublicKeyInfo's bit string: for P-256 the last 65 octets. */
const publicKeyBits = (spki: Buffer): Buffer => spki.subarray(-65)

const extension = (id: string, value: Der, critical = false): Der => sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value))

const LOOPBACKS = [Buffer.from([127, 0, 0, 1]), Buffer.from([...Array(15).fill(0), 1])]
