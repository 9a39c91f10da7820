/** What a certificate is asked for with (PKCS #10, RFC 2986 §4). */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { bits, context, dnsName, integer, octets, oid, sequence, set } from '../der.ts'

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'
const SUBJECT_ALT_NAME = '2.5.29.17'

/** PEM, PKCS #8. */
export const makeKey = (): string => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string

/** DER. All names are alternative ones; there is no subject. */
export function makeRequest(names: readonly string[], key: string): Buffer {
  const privateKey = createPrivateKey(key)
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const wanted = sequence(sequence(oid(SUBJECT_ALT_NAME), octets(sequence(...names.map(dnsName)))))
  const body = sequence(integer(Buffer.from([0])), sequence(), spki, context(0, [sequence(oid(EXTENSION_REQUEST), set(wanted))]))
  return sequence(body, sequence(oid(ECDSA_WITH_SHA256)), bits(sign('sha256', body, privateKey)))
}
